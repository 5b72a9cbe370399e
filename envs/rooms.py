"""What real rooms hold: how many receptacles of each kind, which things, and where they lie.

Counted in the 3,553 train games of ALFWorld 0.4.2 (108 rooms, Côté et al. 2020, over ALFRED,
Shridhar et al. 2020); what contains what and what can be heated, cooled or cleaned is ALFRED's
table. Kinds are written as ALFRED writes them.

A room's first lines are receptacles: ten counts, the deciles over 27 rooms (one count: always).
Its other lines are things: percent of rooms that have one, mean number where it is present, and
`receptacle:percent`, the share of its copies that lie there in rooms which have that receptacle.
"""

from __future__ import annotations

from typing import Literal

from envs.types import Frozen

RoomName = Literal["Kitchen", "LivingRoom", "Bedroom", "Bathroom"]

_KITCHEN = """\
Cabinet 4 9 10 11 13 13 16 20 20 26
Drawer 1 3 3 3 4 5 6 7 9 13
StoveBurner 4
CounterTop 1 1 2 2 2 2 3 3 3 4
CoffeeMachine 1
Fridge 1
GarbageCan 1
Microwave 1
SinkBasin 1
Toaster 1
DiningTable 0 0 0 0 1 1 1 1 1 2
Shelf 0 0 0 0 0 0 0 0 0 3
SideTable 0 0 0 0 0 0 0 0 0 1
---
SaltShaker 100 2.0 CounterTop:32 Cabinet:32 DiningTable:31 SideTable:22 Drawer:14 Shelf:14
PepperShaker 100 2.1 Cabinet:33 CounterTop:30 DiningTable:29 SideTable:21 Shelf:16 Drawer:15
Bowl 100 2.0 Cabinet:36 DiningTable:27 CounterTop:21 Fridge:20 Shelf:8 SideTable:4 SinkBasin:3
  Microwave:3
Bread 100 1.6 CounterTop:55 DiningTable:55 Fridge:12 SideTable:6
Pot 100 1.9 StoveBurner:73 CounterTop:14 DiningTable:7 Fridge:4 Cabinet:3 Shelf:2
Pan 100 1.8 StoveBurner:52 CounterTop:33 DiningTable:8 Cabinet:7 Fridge:4
Cup 100 2.0 DiningTable:25 Cabinet:23 CounterTop:21 Fridge:21 SideTable:17 Shelf:10 SinkBasin:9
  Microwave:7
Spatula 100 1.9 CounterTop:45 DiningTable:43 Drawer:22 SinkBasin:9 SideTable:6
Tomato 99 2.0 DiningTable:34 Fridge:33 CounterTop:30 SideTable:15 GarbageCan:9 SinkBasin:7
Apple 99 2.0 DiningTable:27 CounterTop:25 Fridge:24 SideTable:17 Microwave:13 GarbageCan:12
  SinkBasin:9
SoapBottle 99 1.9 DiningTable:36 CounterTop:32 Cabinet:31 Shelf:17 SideTable:14 GarbageCan:10
Egg 99 2.0 Fridge:25 CounterTop:24 DiningTable:21 SideTable:14 GarbageCan:13 SinkBasin:13
  Microwave:12
Potato 99 1.9 CounterTop:28 DiningTable:28 Fridge:26 SideTable:12 SinkBasin:11 Microwave:10
  GarbageCan:6
DishSponge 99 2.0 CounterTop:26 Cabinet:24 DiningTable:23 Drawer:22 Shelf:13 SinkBasin:7
  SideTable:7 GarbageCan:5
Spoon 99 2.0 DiningTable:38 CounterTop:38 Drawer:28 SideTable:16 SinkBasin:11
Mug 98 2.3 CounterTop:28 DiningTable:19 CoffeeMachine:17 Cabinet:16 Fridge:14 SideTable:10
  Microwave:7 SinkBasin:6 Shelf:6
Fork 98 2.0 CounterTop:44 DiningTable:41 Drawer:23 SideTable:15 SinkBasin:9
Knife 98 1.9 CounterTop:48 DiningTable:44 Drawer:21 SideTable:8 SinkBasin:5
Lettuce 98 1.8 DiningTable:50 CounterTop:41 Fridge:23 SideTable:14 SinkBasin:5
Plate 97 1.8 Cabinet:40 CounterTop:30 DiningTable:28 Fridge:9 Shelf:8 SinkBasin:2
ButterKnife 95 1.9 CounterTop:59 DiningTable:46 SideTable:16 Drawer:8 SinkBasin:5
Kettle 52 1.7 StoveBurner:41 CounterTop:25 Cabinet:24 DiningTable:17 Shelf:2 SinkBasin:2
WineBottle 42 2.0 CounterTop:37 DiningTable:35 Cabinet:25 GarbageCan:9 Shelf:8
HousePlant 36 1.1 CounterTop:77 DiningTable:47
Ladle 35 2.0 CounterTop:41 DiningTable:31 Cabinet:25 Drawer:19 SinkBasin:2
Glassbottle 23 2.0 Cabinet:31 DiningTable:30 CounterTop:27 Shelf:13 SinkBasin:9 Fridge:9
Vase 15 2.5 CounterTop:34 Shelf:32 Cabinet:31 DiningTable:10
Statue 15 1.8 CounterTop:51 Shelf:44 DiningTable:12
Book 11 1.5 CounterTop:65 DiningTable:19 Cabinet:14 Drawer:5 Shelf:4
CellPhone 11 1.9 DiningTable:48 Drawer:43 CounterTop:41
CreditCard 9 2.0 CounterTop:46 Drawer:37 Shelf:23
Pencil 7 1.8 Drawer:41 DiningTable:40 CounterTop:30 GarbageCan:10
SprayBottle 7 1.9 DiningTable:39 Cabinet:33 CounterTop:33 GarbageCan:12
Pen 6 2.0 DiningTable:63 CounterTop:39 Drawer:21 GarbageCan:5
"""

_LIVINGROOM = """\
Drawer 0 0 1 1 2 4 4 6 7 12
Shelf 0 0 0 0 0 0 1 4 6 13
SideTable 0 0 1 1 1 1 2 2 3 3
ArmChair 0 1 1 1 1 1 1 2 2 2
Sofa 1 1 1 1 1 1 1 1 2 2
CoffeeTable 0 1 1 1 1 1 1 1 2 2
GarbageCan 1
DiningTable 0 0 0 0 0 1 1 1 1 2
TVStand 0 0 0 0 0 0 1 1 1 2
Cabinet 0 0 0 0 0 0 0 0 0 4
Dresser 0 0 0 0 0 0 0 1 1 1
Ottoman 0 0 0 0 0 0 0 0 0 1
---
Laptop 100 1.4 DiningTable:41 CoffeeTable:30 Sofa:27 Dresser:23 Ottoman:10 SideTable:9 ArmChair:5
Pillow 100 1.1 Sofa:80 ArmChair:21
CreditCard 100 2.2 DiningTable:20 Sofa:19 CoffeeTable:18 Dresser:18 Drawer:17 ArmChair:14 Shelf:14
  SideTable:13 Ottoman:9
RemoteControl 97 2.0 CoffeeTable:29 Dresser:22 DiningTable:22 Sofa:19 SideTable:16 Ottoman:11
  ArmChair:9 Shelf:9 Drawer:5
Statue 96 2.3 Shelf:38 DiningTable:37 CoffeeTable:31 SideTable:26 Dresser:25
KeyChain 92 1.8 CoffeeTable:24 Drawer:20 SideTable:19 DiningTable:16 Dresser:14 Shelf:14 Sofa:12
  Ottoman:11 ArmChair:10
Box 86 1.4 DiningTable:51 CoffeeTable:27 Sofa:24 Cabinet:23 Shelf:11 SideTable:10 Dresser:9
  Ottoman:9 ArmChair:3
Television 71 1.0 TVStand:100 Dresser:94 CoffeeTable:11 SideTable:4
HousePlant 66 1.0 SideTable:59 CoffeeTable:30 Dresser:24 TVStand:21 DiningTable:12
Newspaper 62 1.9 DiningTable:32 Dresser:29 Shelf:25 CoffeeTable:22 Sofa:20 SideTable:16 Ottoman:13
  ArmChair:8 Drawer:2
Watch 49 2.1 Drawer:27 DiningTable:27 CoffeeTable:27 Dresser:26 Shelf:23 SideTable:21
Vase 49 3.0 Dresser:71 Shelf:53 DiningTable:26 CoffeeTable:24 SideTable:20 Cabinet:11
Plate 35 1.7 DiningTable:62 Shelf:40 CoffeeTable:24 SideTable:13 Dresser:6
TissueBox 34 2.1 CoffeeTable:46 DiningTable:30 Shelf:29 TVStand:22 SideTable:19 Dresser:10
  Drawer:4
Book 26 1.8 Dresser:36 CoffeeTable:32 DiningTable:24 Sofa:17 ArmChair:11 SideTable:8
DeskLamp 25 1.0 SideTable:100 CoffeeTable:20
CellPhone 21 2.0 Dresser:25 Ottoman:21 Shelf:21 CoffeeTable:20 SideTable:18 DiningTable:18 Sofa:14
  Drawer:13 ArmChair:5
Pen 20 2.0 Dresser:36 CoffeeTable:34 Shelf:24 SideTable:20 DiningTable:16 Drawer:6 GarbageCan:4
Pencil 16 2.0 SideTable:32 Shelf:32 CoffeeTable:27 Dresser:18 Drawer:10 DiningTable:10
  GarbageCan:6
Bowl 11 1.8 DiningTable:55 CoffeeTable:27 Shelf:23 SideTable:13
Candle 9 2.4 SideTable:51 CoffeeTable:28 DiningTable:20 Drawer:18 Dresser:12
WateringCan 9 1.5 CoffeeTable:53 Shelf:38 SideTable:9
"""

_BEDROOM = """\
Drawer 2 2 2 3 4 5 6 10 11 16
Shelf 0 0 0 1 1 1 2 5 7 12
Bed 1 1 1 1 1 1 1 1 1 2
GarbageCan 1
SideTable 0 0 0 1 1 1 1 1 2 2
Desk 0 0 0 1 1 1 1 1 1 2
Dresser 0 0 0 0 0 1 1 1 1 2
Cabinet 0 0 0 0 0 0 0 0 0 4
ArmChair 0 0 0 0 0 0 0 0 1 2
LaundryHamper 0 0 0 0 0 0 0 1 1 1
DiningTable 0 0 0 0 0 0 0 0 0 1
Safe 0 0 0 0 0 0 0 0 0 1
---
Pen 100 2.1 DiningTable:49 Desk:40 Dresser:32 Shelf:23 SideTable:22 Drawer:19 GarbageCan:2
CreditCard 100 2.0 Drawer:30 Shelf:27 Dresser:26 Desk:26 SideTable:24 DiningTable:24 ArmChair:17
CellPhone 100 2.1 Bed:29 DiningTable:26 Desk:25 Dresser:22 Drawer:17 ArmChair:16 SideTable:15
  Safe:12 Shelf:11
Laptop 100 1.6 Bed:74 Desk:26 DiningTable:17 Dresser:8 ArmChair:6
Pillow 100 1.7 Bed:99 ArmChair:3
Book 100 1.9 Bed:51 Desk:28 DiningTable:20 Cabinet:15 Drawer:12 Dresser:11 ArmChair:10 SideTable:6
  Shelf:2
Pencil 100 2.0 DiningTable:50 Desk:33 SideTable:27 Dresser:26 Shelf:25 Drawer:19 GarbageCan:5
AlarmClock 99 1.7 DiningTable:56 Desk:47 Dresser:38 Shelf:31 SideTable:30
KeyChain 98 2.0 DiningTable:33 Dresser:29 Drawer:27 Desk:25 SideTable:24 Shelf:23 Safe:22
  ArmChair:16
CD 93 1.9 DiningTable:50 Dresser:29 Drawer:29 Desk:28 SideTable:20 Cabinet:15 Shelf:11
  GarbageCan:8 Safe:4
DeskLamp 71 1.1 SideTable:53 Dresser:45 Desk:42 Shelf:16
Mug 49 1.9 Desk:54 DiningTable:45 Shelf:30 Dresser:28 SideTable:27 Cabinet:20
Bowl 45 1.6 Desk:62 Shelf:38 DiningTable:36 Dresser:29 SideTable:6
HousePlant 23 1.2 Shelf:63 Cabinet:50 Desk:43 Dresser:37
Statue 15 1.4 Desk:49 Shelf:43 Dresser:41 SideTable:24
TissueBox 14 1.9 DiningTable:81 Desk:45 Drawer:26 Shelf:14 SideTable:13 Dresser:5
RemoteControl 12 1.9 Desk:39 Drawer:34 DiningTable:18 SideTable:15 Dresser:10 ArmChair:10 Shelf:3
Box 9 1.0 Desk:58 Shelf:42
Watch 7 2.1 DiningTable:38 Drawer:31 Desk:27 Shelf:20 Dresser:19 SideTable:15
Vase 6 2.2 Shelf:45 Dresser:36 Desk:21 SideTable:9
"""

_BATHROOM = """\
Drawer 0 0 0 0 1 2 4 4 6 8
Cabinet 0 0 0 0 0 2 4 4 4 5
HandTowelHolder 1 1 1 1 1 1 2 2 2 2
SinkBasin 1 1 1 1 1 2 2 2 2 2
TowelHolder 1 1 1 1 1 1 1 2 2 2
CounterTop 0 1 1 1 1 1 1 1 1 2
GarbageCan 1
ToiletPaperHanger 1
Toilet 1
BathtubBasin 0 0 0 1 1 1 1 1 1 1
Shelf 0 0 0 0 0 0 0 1 1 3
Cart 0 0 0 0 0 0 0 0 0 1
SideTable 0 0 0 0 0 0 0 0 0 1
Dresser 0 0 0 0 0 0 0 0 0 1
---
SprayBottle 100 2.0 SideTable:48 Cart:40 CounterTop:37 Cabinet:36 Toilet:27 Shelf:26 Dresser:20
  GarbageCan:10
Towel 100 1.2 TowelHolder:97
HandTowel 100 1.2 HandTowelHolder:96 CounterTop:4
Cloth 100 2.0 Cabinet:46 BathtubBasin:42 Drawer:25 CounterTop:19 Cart:17 Shelf:16 Dresser:15
  SinkBasin:8 Toilet:3 SideTable:3
ToiletPaper 99 2.0 CounterTop:26 Cabinet:25 SideTable:25 Toilet:23 Shelf:22 Cart:21 Drawer:20
  Dresser:20 ToiletPaperHanger:12 GarbageCan:9
SoapBar 97 2.0 SideTable:36 Cabinet:27 CounterTop:22 Drawer:19 Cart:19 BathtubBasin:18 Toilet:16
  Shelf:16 SinkBasin:15 GarbageCan:7
Candle 97 1.9 SideTable:45 CounterTop:35 Cabinet:31 Toilet:30 Shelf:28 Drawer:22 Cart:21
  Dresser:15
SoapBottle 96 1.9 Cabinet:43 Shelf:36 CounterTop:34 Toilet:24 SideTable:23 Cart:13 GarbageCan:9
  Drawer:5
TissueBox 25 1.9 SideTable:85 Shelf:52 CounterTop:43 Drawer:26 Cabinet:26 Cart:20 Toilet:3
DishSponge 23 2.2 Drawer:27 CounterTop:23 BathtubBasin:21 Shelf:19 Cabinet:19 Cart:14 SinkBasin:10
  Toilet:8 GarbageCan:4
"""

_CONTAINS = """\
ArmChair Ottoman Sofa: Book Box CellPhone Cloth CreditCard KeyChain Laptop Newspaper Pillow
  RemoteControl
BathtubBasin: Cloth DishSponge HandTowel SoapBar
Bed: Book CellPhone Laptop Newspaper Pillow
Cabinet: Book Bowl Box CD Candle Cloth Cup DishSponge Glassbottle HandTowel Kettle Ladle Mug
  Newspaper Pan PepperShaker Plate Pot SaltShaker SoapBar SoapBottle SprayBottle TissueBox
  ToiletPaper Vase WateringCan WineBottle
Cart: Candle Cloth DishSponge HandTowel Mug SoapBar SoapBottle SprayBottle Statue TissueBox
  ToiletPaper Vase
CoffeeMachine: Mug
CoffeeTable CounterTop DiningTable SideTable: AlarmClock Apple Book Bowl Box Bread ButterKnife CD
  Candle CellPhone Cloth CreditCard Cup DishSponge Egg Fork Glassbottle HandTowel Kettle KeyChain
  Knife Ladle Laptop Lettuce Mug Newspaper Pan Pen Pencil PepperShaker Plate Pot Potato
  RemoteControl SaltShaker SoapBar SoapBottle Spatula Spoon SprayBottle Statue TissueBox
  ToiletPaper Tomato Vase Watch WateringCan WineBottle
Desk: AlarmClock Book Bowl Box CD Candle CellPhone Cloth CreditCard Cup Glassbottle KeyChain
  Laptop Mug Newspaper Pen Pencil Plate RemoteControl SoapBottle SprayBottle Statue TissueBox
  ToiletPaper Vase Watch WateringCan WineBottle
Drawer: Book ButterKnife CD Candle CellPhone Cloth CreditCard DishSponge Fork HandTowel KeyChain
  Knife Ladle Newspaper Pen Pencil PepperShaker RemoteControl SaltShaker SoapBar SoapBottle
  Spatula Spoon SprayBottle TissueBox ToiletPaper Watch WateringCan
Dresser: AlarmClock Book Bowl Box CD Candle CellPhone Cloth CreditCard Cup Glassbottle KeyChain
  Laptop Mug Newspaper Pen Pencil Plate RemoteControl SprayBottle Statue TissueBox ToiletPaper
  Vase Watch WateringCan WineBottle
Fridge: Apple Bowl Bread Cup Egg Glassbottle Lettuce Mug Pan Plate Pot Potato Tomato WineBottle
GarbageCan: Apple Bread CD Cloth DishSponge Egg HandTowel Lettuce Newspaper Pen Pencil Potato
  SoapBar SoapBottle SprayBottle TissueBox ToiletPaper Tomato WineBottle
HandTowelHolder: HandTowel
LaundryHamper: Cloth
Microwave: Apple Bowl Bread Cup Egg Glassbottle Mug Plate Potato Tomato
Safe: CD CellPhone CreditCard KeyChain Statue Vase Watch
Shelf: AlarmClock Book Bowl Box CD Candle CellPhone Cloth CreditCard Cup DishSponge Glassbottle
  HandTowel Kettle KeyChain Mug Newspaper Pen Pencil PepperShaker Plate Pot RemoteControl
  SaltShaker SoapBar SoapBottle SprayBottle Statue TissueBox ToiletPaper Vase Watch WateringCan
  WineBottle
SinkBasin: Apple Bowl ButterKnife Cloth Cup DishSponge Egg Fork Glassbottle HandTowel Kettle Knife
  Ladle Lettuce Mug Pan Plate Pot Potato SoapBar Spatula Spoon Tomato
StoveBurner: Kettle Pan Pot
TVStand: TissueBox
Toilet: Candle Cloth DishSponge HandTowel Newspaper SoapBar SoapBottle SprayBottle TissueBox
  ToiletPaper
ToiletPaperHanger: ToiletPaper
TowelHolder: Towel
"""

_ABLE = """\
heatable: Apple Bread Cup Egg Mug Plate Potato Tomato
coolable: Apple Bowl Bread Cup Egg Lettuce Mug Pan Plate Pot Potato Tomato WineBottle
cleanable: Apple Bowl ButterKnife Cloth Cup DishSponge Egg Fork Kettle Knife Ladle Lettuce Mug
  Pan Plate Pot Potato SoapBar Spatula Spoon Tomato
sliceable: Apple Bread Egg Lettuce Potato Tomato
isReceptacleObject: Bowl Box Cup Mug Pan Plate Pot
"""

FIXED = frozenset({"DeskLamp", "HousePlant", "Television"})
"""Things that nobody can pick up."""
ALWAYS_SHUT = frozenset({"Fridge", "Microwave", "Safe"})
"""Receptacles that have to be opened."""
MOSTLY_SHUT = frozenset({"Cabinet", "Drawer"})
"""Receptacles of which about four in five have to be opened."""
BESIDE = {"Cabinet": 0.09, "Drawer": 0.11, "StoveBurner": 0.34}
"""Share of receptacles that are reached from where one stands for the one before."""


class Sort(Frozen):
    """One kind of thing in one kind of room."""

    kind: str
    """As ALFRED writes it."""
    present: float
    """Share of rooms that have one."""
    mean: float
    """Mean number of copies where there is one."""
    lies: dict[str, int]
    """Weight of each kind of receptacle."""


class Room(Frozen):
    """One kind of room."""

    name: RoomName
    """As ALFRED writes it."""
    receptacles: dict[str, tuple[int, ...]]
    """Equally likely counts of each kind of receptacle."""
    sorts: tuple[Sort, ...]
    """The things that it can hold."""


def _lines(text: str) -> list[str]:
    return text.replace("\n ", " ").strip().splitlines()


def _sort(line: str) -> Sort:
    kind, present, mean, *lies = line.split()
    pairs = (pair.split(":") for pair in lies)
    return Sort(
        kind=kind,
        present=int(present) / 100,
        mean=float(mean),
        lies={where: int(weight) for where, weight in pairs},
    )


def _room(name: RoomName, text: str) -> Room:
    above, below = text.split("---\n")
    counts = (line.split() for line in _lines(above))
    return Room(
        name=name,
        receptacles={kind: tuple(map(int, numbers)) for kind, *numbers in counts},
        sorts=tuple(map(_sort, _lines(below))),
    )


ROOMS: dict[RoomName, Room] = {
    room.name: room
    for room in (
        _room("Kitchen", _KITCHEN),
        _room("LivingRoom", _LIVINGROOM),
        _room("Bedroom", _BEDROOM),
        _room("Bathroom", _BATHROOM),
    )
}
"""The four kinds of room."""


def _sets(text: str) -> dict[str, frozenset[str]]:
    return {
        kind: frozenset(things.split())
        for kinds, things in (line.split(": ") for line in _lines(text))
        for kind in kinds.split()
    }


CONTAINS = _sets(_CONTAINS)
"""What each kind of receptacle may hold."""
ABLE = _sets(_ABLE)
"""Which kinds of things have a property, by the name of its predicate in the PDDL domain."""
