"""How fragile a frozen file is: the list of what is changed about it. Each perturbation is one file."""

from __future__ import annotations

from .base import Perturbation
from .demonstrations import NoDemonstrations
from .formats import OtherFormats
from .inputs import RemovedInputs
from .labels import FlippedLabels, RandomLabels
from .order import OtherOrders
from .wording import OtherWordings

# In the order of the table; where a budget has no room for all, the last are left out.
PERTURBATIONS: tuple[Perturbation, ...] = (
    FlippedLabels(),
    RemovedInputs(),
    NoDemonstrations(),
    OtherFormats(),
    OtherOrders(),
    OtherWordings(),
    RandomLabels(),
)
