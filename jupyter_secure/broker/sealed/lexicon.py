"""Words in column names that hint at what a column can do to a person.

A list of hints, made to be extended; never a decision. The first matching family wins, so what names a person comes
before what describes one. Words are singular and lower-case; a phrase is words joined by a blank.
"""

from __future__ import annotations

import re

from jupyter_secure.protocol.dataset import Tag

_DIRECT = """
name, surname, firstname, lastname, fullname, forename, nickname, first name, last name, maiden name, ssn, sin, nino,
social security, national id, tax id, passport, email, e mail, mail, phone, telephone, mobile, cell, fax, address,
street, house number, iban, account, account number, card number, credit card, mrn, medical record, insurance number,
policy number, license, licence, plate, vin, imei, ip, ip address, mac address, username, login, handle, url, website,
photo, fingerprint, patient, patient id, person id, subject id, member id, customer id, employee id, student id,
user id, case id, record id, id, uuid, guid, identifier, signature
"""
_QUASI = """
zip, zipcode, zip code, postcode, postal code, postal, city, town, village, municipality, county, district, state,
region, country, province, latitude, longitude, lat, lon, lng, location, geo, birth, born, birthday, birthdate, dob,
birth date, date of birth, birth year, birthplace, age, sex, gender, nationality, citizenship, language, occupation,
job, profession, employer, education, school, degree, marital, civil status, household, child, children, admission,
discharge, visit, death date, hospital, ward, height
"""
_SENSITIVE = """
diagnosis, diagnose, icd, disease, illness, disorder, condition, symptom, comorbidity, medication, drug, prescription,
treatment, therapy, surgery, allergy, asthma, diabetes, cancer, tumor, tumour, hiv, hepatitis, tuberculosis, depression,
pregnancy, pregnant, disability, genotype, gene, mutation, snp, race, ethnicity, ethnic, religion, faith, political,
party, union, orientation, sexual, conviction, offence, offense, crime, arrest, income, salary, wage, debt, smoking,
smoker, smoke, alcohol, addiction, death, died, deceased, mortality, suicide, result, finding, note, comment, remark,
free text
"""
_MEASURE = """
cost, price, amount, charge, total, score, count, number, rate, ratio, duration, length, weight, bmi, pressure,
systolic, diastolic, sbp, dbp, cholesterol, glucose, hemoglobin, temperature, pulse, dose, quantity, volume, value
"""
_PUBLIC = "currency, unit, measurement unit, schema version"


def _entries(tag: Tag, text: str) -> dict[str, Tag]:
    return {" ".join(phrase.split()): tag for phrase in text.split(",")}


# Later families do not replace earlier ones.
WORDS: dict[str, Tag] = {
    **_entries(Tag.PUBLIC, _PUBLIC),
    **_entries(Tag.MEASURE, _MEASURE),
    **_entries(Tag.SENSITIVE, _SENSITIVE),
    **_entries(Tag.QUASI, _QUASI),
    **_entries(Tag.DIRECT, _DIRECT),
}
_LONGEST = max(phrase.count(" ") + 1 for phrase in WORDS)


def words_of(column: str) -> list[str]:
    """Split a column's name at capitals, digits and punctuation, lower-case: `birthDate_71` gives birth, date."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", column)
    return [word.lower() for word in re.findall(r"[^\W\d_]+", parted)]


def look_up(column: str) -> tuple[str, Tag] | None:
    """Return the word or phrase of the lexicon that a name holds, longer ones first, else the most dangerous."""
    words = words_of(column)
    for length in range(min(_LONGEST, len(words)), 0, -1):
        phrases = [" ".join(words[start : start + length]) for start in range(len(words) - length + 1)]
        known = [(phrase, tag) for phrase in phrases if (tag := _tag(phrase)) is not None]
        if known:
            order = list(Tag)
            return min(known, key=lambda found: order.index(found[1]))
    return None


def _tag(phrase: str) -> Tag | None:
    if phrase in WORDS:
        return WORDS[phrase]
    return WORDS.get(phrase.removesuffix("s"))
