"""Words in column names that hint at what a column can do to a person, in six languages.

A list of hints, made to be extended; never a decision. The first matching family wins, so what names a person comes
before what describes one. Words are singular, lower-case and without accents; a phrase is words joined by a blank.
English first, then German, French, Spanish, Italian, Dutch.
"""

from __future__ import annotations

import re

from jupyter_secure.protocol.dataset import Tag

from .vocabulary import plain

_DIRECT = """
name, surname, firstname, lastname, fullname, forename, nickname, first name, last name, maiden name, ssn, sin, nino,
social security, national id, tax id, passport, email, e mail, mail, phone, telephone, mobile, cell, fax, address,
street, house number, iban, account, account number, card number, credit card, mrn, medical record, insurance number,
policy number, license, licence, plate, vin, imei, ip, ip address, mac address, username, login, handle, url, website,
photo, fingerprint, patient, patient id, person id, subject id, member id, customer id, employee id, student id, user
id, case id, case number, file number, serial number, reference number, docket, record id, id, uuid, guid, identifier,
signature, given name, family name, contact, tel, residence, beneficiary, holder, cardholder, recipient, sender,
physician, doctor, nurse, guardian, spouse, next of kin, device id, vorname, nachname, familienname, geburtsname,
anschrift, adresse, strasse, hausnummer, telefon, telefonnummer, handy, personalnummer, versichertennummer,
versicherungsnummer, steuernummer, steuer id, ausweisnummer, kontonummer, kunde, kundennummer, patientennummer,
fallnummer, kennzeichen, arzt, hausarzt, benutzer, unterschrift, nom, prenom, nom de famille, courriel, rue, numero de
telephone, portable, numero de securite sociale, nir, identifiant, compte, medecin, matricule, plaque, nombre,
apellido, correo, correo electronico, direccion, calle, telefono, movil, cedula, dni, nie, pasaporte, cuenta,
paciente, medico, usuario, matricula, firma, identificador, nome, cognome, indirizzo, via, cellulare, codice fiscale,
conto, paziente, targa, utente, naam, voornaam, achternaam, adres, straat, huisnummer, telefoonnummer, mobiel,
burgerservicenummer, bsn, rekening, rekeningnummer, klant, klantnummer, kenteken, huisarts, gebruiker
"""
_QUASI = """
zip, zipcode, zip code, postcode, postal code, postal, city, town, village, municipality, county, district, state,
region, country, province, latitude, longitude, lat, lon, lng, location, geo, birth, born, birthday, birthdate, dob,
birth date, date of birth, birth year, birthplace, age, sex, gender, nationality, citizenship, language, occupation,
job, profession, employer, education, school, degree, marital, civil status, household, child, children, admission,
discharge, visit, death date, hospital, ward, height, year of birth, native country, citizen, area, borough, suburb,
neighborhood, neighbourhood, parish, tract, block group, fips, coordinate, workplace, company, department, title,
position, family size, kid, spouse age, married, marriage, veteran, enrollment, grade level, room, clinic, eye color,
hair color, language spoken, birth weight, home town, hometown, place, plz, postleitzahl, ort, wohnort, stadt,
gemeinde, kreis, landkreis, bezirk, bundesland, land, staat, gebiet, geburt, geburtsdatum, geburtstag, geburtsort,
geburtsjahr, alter, geschlecht, staatsangehorigkeit, sprache, beruf, arbeitgeber, bildung, schule, abschluss,
familienstand, haushalt, kind, kinder, aufnahme, entlassung, station, krankenhaus, klinik, grosse, korpergrosse,
breitengrad, langengrad, abteilung, code postal, ville, commune, departement, pays, naissance, date de naissance, lieu
de naissance, annee de naissance, genre, sexe, nationalite, langue, metier, employeur, ecole, diplome, etat civil,
situation familiale, enfant, hopital, taille, sortie, entree, quartier, codigo postal, ciudad, municipio, provincia,
pais, nacimiento, fecha de nacimiento, lugar de nacimiento, edad, sexo, genero, nacionalidad, idioma, ocupacion,
profesion, empleador, educacion, escuela, estado civil, hogar, hijo, ingreso hospitalario, alta, barrio, estatura,
latitud, longitud, cap, citta, comune, paese, nascita, data di nascita, luogo di nascita, eta, sesso, nazionalita,
lingua, professione, lavoro, scuola, stato civile, figli, ospedale, altezza, regione, postcode, woonplaats, stad,
gemeente, provincie, geboortedatum, geboorteplaats, geboortejaar, leeftijd, geslacht, nationaliteit, taal, beroep,
werkgever, opleiding, burgerlijke staat, huishouden, opname, ontslag, ziekenhuis, lengte, wijk
"""
_SENSITIVE = """
diagnosis, diagnose, icd, disease, illness, disorder, condition, symptom, comorbidity, medication, drug, prescription,
treatment, therapy, surgery, allergy, asthma, diabetes, cancer, tumor, tumour, hiv, hepatitis, tuberculosis,
depression, pregnancy, pregnant, disability, genotype, gene, mutation, snp, race, ethnicity, ethnic, religion, faith,
political, party, union, orientation, sexual, conviction, offence, offense, crime, arrest, income, salary, wage, debt,
smoking, smoker, smoke, alcohol, addiction, death, died, deceased, mortality, suicide, result, finding, note, comment,
remark, free text, blood type, blood group, vaccine, vaccination, infection, stroke, attack, hypertension, obesity,
dementia, psychiatric, mental, therapy session, abuse, victim, arrested, charged, sentence, recidivism, recid, felony,
credit score, default, loan, poverty, benefit, welfare, vote, voter, sex life, affair, survived, survival, race
ethnicity, diagnose, krankheit, erkrankung, befund, symptom, medikament, behandlung, therapie, allergie, krebs,
schwanger, schwangerschaft, behinderung, religion, konfession, partei, gewerkschaft, gehalt, einkommen, lohn,
schulden, verstorben, todesursache, raucher, bemerkung, kommentar, notiz, vorstrafe, herkunft, diagnostic, maladie,
symptome, medicament, traitement, grossesse, enceinte, handicap, parti, syndicat, salaire, revenu, dette, deces,
fumeur, remarque, commentaire, origine, diagnostico, enfermedad, sintoma, medicamento, tratamiento, embarazo,
discapacidad, raza, etnia, partido, sindicato, salario, sueldo, ingreso, deuda, fallecido, muerte, fumador,
observacion, comentario, religion, diagnosi, malattia, farmaco, cura, gravidanza, disabilita, religione, stipendio,
reddito, debito, decesso, fumatore, ziekte, klacht, medicijn, behandeling, zwanger, handicap, godsdienst, etniciteit,
inkomen, loon, schuld, overleden, roker, opmerking
"""
_MEASURE = """
cost, price, amount, charge, total, score, count, number, rate, ratio, duration, length, weight, bmi, pressure,
systolic, diastolic, sbp, dbp, cholesterol, glucose, hemoglobin, temperature, pulse, dose, quantity, volume, value,
hour, hours per week, mean, average, percentage, percent, proportion, index, frequency, size, distance, speed, time,
fare, gain, loss, balance, tax, fee, payment, priors count, level, hdl, ldl, triglyceride, creatinine, sodium, kosten,
preis, betrag, anzahl, menge, dauer, gewicht, blutdruck, puls, dosis, wert, temperatur, cout, prix, montant, nombre
de, duree, poids, tension, quantite, valeur, coste, precio, importe, cantidad, duracion, peso, presion, valor,
temperatura, costo, prezzo, importo, durata, quantita, valore, prijs, bedrag, aantal, duur, bloeddruk, waarde
"""
_PUBLIC = "currency, unit, measurement unit, schema version, wahrung, einheit, devise, unite, moneda, unidad, valuta"


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
    """Split a column's name at capitals, digits and punctuation, plain: `birthDate_71` gives birth, date."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", column)
    return [plain(word) for word in re.findall(r"[^\W\d_]+", parted)]


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
