"""Words that stand in cells and hint at what a column is: given names, sexes, faiths, countries.

A list of hints, made to be extended; never a decision. A column is known by the share of its different values that are
of one family.
"""

from __future__ import annotations

import unicodedata
from typing import Any, NamedTuple

import pyarrow.compute as pc

from jupyter_secure.protocol.dataset import Tag

MOST = 500  # different values that are looked at
FULL = 0.8  # share of a closed family
SOME = 0.35  # share of an open one: nobody has a list of all names
_NAMES = """
aaron abdul adam adrian agnes ahmed alan albert alejandro alessandro alex alexander alfred ali alice amanda amelia amy
ana andrea andreas andrew angela anita anke ann anna anne annika antje anthony antonio arthur astrid barbara beatrice
ben benjamin bernd bernhard betty birgit bjorn bob brandon brian bruno camille carla carlos carol caroline catherine
cecile charles charlotte chiara chloe chris christa christian christina christine christopher clara claudia claudio
craig crystal daan daniel daniela david deborah denis dennis diana diego dieter dirk dominik donald donna dorothy edith
eduard edward elena elisabeth elizabeth ella ellen emil emily emma enrique eric erik erika ernst esther eva evelyn
fabian fatima federico felix fernando florian francesca francesco francisco frank franz frederic friedrich gabriel
gabriele gary george gerard gerda gerhard gertrud giovanni giulia gloria grace greta guillaume gunter guy hannah hans
harald harry hassan heather heidi heike heinrich heinz helen helena helga henk henri henry herbert hermann holger horst
hugo ian ibrahim ines inge ingrid irene irina isabel isabella ivan jack jacob jacqueline jacques james jan jana jane
janet jasmin jason javier jean jeff jeffrey jennifer jens jeroen jessica jesus jill joachim joan joao jochen joe johan
johanna johannes john jonas jonathan jorg jorge jose joseph joshua joyce juan judith julia julie julien julius justin
jurgen karin karl karen katarzyna kate katharina katherine kathleen katja keith kelly kenneth kerstin kevin kim kimberly
klaus kurt lara larry lars laura lea lee lena leo leon leonie linda lisa louis louise luca lucas lucia luis luisa lukas
magdalena manfred manuel manuela marc marco marcus margaret margarete maria marie marina mario marion mark markus marta
martha martin martina mary mateo matteo matthew matthias maurice max megan melanie melissa mia michael michel michelle
miguel mike mohamed mohammed monica monika muhammad nadine nancy natalie nathalie nathan nicholas nicola nicolas nicole
nils nina noah nora norbert olaf olga oliver olivia oscar otto pablo pamela pascal patricia patrick paul paula paulo
pedro peter petra philip philipp pierre pieter rachel rafael rainer ralf ralph raymond rebecca regina renate rene
ricardo richard rita robert roberto roger roland rolf ronald rosa rose roy rudolf russell ruth ryan sabine salvatore
samantha samuel sandra sara sarah scott sean sebastian sergio sharon silke silvia simon simone sofia sonja sophia sophie
stefan stefanie stephan stephanie stephen steven susan susanne sven sylvia tamara tanja teresa theo theresa thomas tim
tina tobias todd tom tracy udo ulrich ulrike ursula uta uwe valentina vanessa vera veronica victor victoria vincent
virginia walter wayne werner wilhelm willem william willy wolfgang yannick yasmin yusuf yves zoe
"""
_SEXES = """
m f male female man woman men women boy girl mannlich weiblich divers mann frau w homme femme h masculin feminin hombre
mujer masculino femenino v vrouw vrouwelijk mannelijk other nonbinary unknown x
"""
_FAITHS = """
catholic protestant christian orthodox muslim islam jewish judaism hindu hinduism buddhist buddhism sikh atheist
agnostic lutheran baptist methodist mormon anglican evangelical katholisch evangelisch konfessionslos moslem
muslimisch judisch catholique musulman juif protestante catolico musulmana judio
"""
_RACES = """
white black asian hispanic latino latina caucasian african mixed native pacific islander indigenous
"""
_COUNTRIES = """
afghanistan albania algeria argentina armenia australia austria azerbaijan bangladesh belarus belgium bolivia brazil
bulgaria cambodia cameroon canada chile china colombia croatia cuba cyprus czechia denmark ecuador egypt england
estonia ethiopia finland france georgia germany ghana greece guatemala haiti honduras hungary iceland india indonesia
iran iraq ireland israel italy jamaica japan jordan kazakhstan kenya kuwait laos latvia lebanon libya lithuania
luxembourg malaysia mali malta mexico moldova mongolia morocco nepal netherlands nicaragua niger nigeria norway
pakistan panama paraguay peru philippines poland portugal qatar romania russia rwanda scotland senegal serbia
singapore slovakia slovenia somalia spain sudan sweden switzerland syria taiwan tanzania thailand tunisia turkey
uganda ukraine uruguay usa uzbekistan venezuela vietnam wales yemen zambia zimbabwe deutschland osterreich schweiz
frankreich italien spanien polen turkei niederlande belgien france espagne allemagne suisse italie espana alemania
francia italia nederland duitsland frankrijk
"""


class Family(NamedTuple):
    """Words of one kind: `called` as the end of a sentence; `first` looks at the first word of a cell alone."""

    called: str
    tag: Tag
    words: frozenset[str]
    share: float
    first: bool = False


FAMILIES = (
    Family("sexes", Tag.QUASI, frozenset(_SEXES.split()), FULL),
    Family("faiths", Tag.SENSITIVE, frozenset(_FAITHS.split()), SOME, first=True),
    Family("origins", Tag.SENSITIVE, frozenset(_RACES.split()), FULL, first=True),
    Family("countries", Tag.QUASI, frozenset(_COUNTRIES.split()), SOME),
    Family("names of persons", Tag.DIRECT, frozenset(_NAMES.split()), SOME, first=True),
)


def plain(text: str) -> str:
    """Return a text in small letters without accents."""
    parted = unicodedata.normalize("NFKD", text.replace("ß", "ss").lower())
    return "".join(letter for letter in parted if not unicodedata.combining(letter))


def family(values: Any) -> Family | None:
    """Return the family that the different values of a text column are of, None where there is none."""
    texts = [plain(text.strip()) for text in pc.unique(values)[:MOST].to_pylist() if text.strip()]
    return next((it for it in FAMILIES if texts and _share(it, texts) >= it.share), None)


def _share(it: Family, texts: list[str]) -> float:
    words = (
        [text.replace(",", " ").replace("-", " ").split() for text in texts] if it.first else [[text] for text in texts]
    )
    return sum(any(word in it.words for word in each[:2]) for each in words if each) / len(texts)
