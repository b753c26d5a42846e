"""The inputs that a search begins with where there is no corpus: each operation in each beginning, each kind of enemy.

`python -m tests.fuzz` makes a corpus of them and of what searches have found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fuzz.corpus import ACTORS, BEGINNINGS, PLACES, VERBS

if TYPE_CHECKING:
    from collections.abc import Iterator

_EXTREMES = (0, 1, 0xFFFF_FFFF, 1 << 63, (1 << 64) - 1)
_ROUND = "attach guest 0; enter me 1 =3e8; wait me 1 =3e8; try guest 0 =1f4; snapshot other 4; audit other 0; reap me 0"
_RESETTABLE = "limit me 0 =2; reset other 0; refusal me 0 =3e8; sample other 0 =3e8; release me 0; detach guest 0"
_PACES = ("@1+0", "@7+0", "@0+1", "@0+5", "@0+97")


def seeds() -> Iterator[str]:
    """Yield lines as in the corpus."""
    operations = VERBS[VERBS.index("try") :]
    for beginning in BEGINNINGS:
        yield f"{beginning}; {_ROUND}; {_RESETTABLE}"
        yield f"{beginning} in peace; {_ROUND}; {_RESETTABLE}"
        for verb in operations:
            for other in operations:
                pair = f"{verb} other 0 =3e8; {other} me 0 =5dc; pass me 0 =57e40"
                yield f"{beginning} in peace; {_ROUND}; {pair}; {_ROUND}"
        yield f"{beginning}; attach guest2 1; snapshot guest2 4; census guest2 0; audit guest2 0; detach guest2 0"
        for verb in operations:
            yield f"{beginning}; " + "; ".join(f"{verb} {actor} 0 =3e8" for actor in ACTORS)
        for place in PLACES:
            for value in _EXTREMES:
                yield f"{beginning}; set {place} 0" + (f" ={value:x}" if value else "") + f"; {_ROUND}; {_RESETTABLE}"
            for pace in _PACES:
                yield f"{beginning}; add {place} 0 =20000000001 {pace}; {_ROUND}; {_RESETTABLE}"
                yield f"{beginning}; flip {place} 1 =2000000 {pace}; {_ROUND}; {_RESETTABLE}"
