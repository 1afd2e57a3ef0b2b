"""What invented people and companies are made of. Nobody here exists."""

from typing import Final


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


GIVEN: Final = _words(
    "Ann Ben Cora Dan Ella Finn Grace Hugo Ines Jack Kate Liam Mona Noah Olga Paul Rosa Sam Tess "
    "Umar Vera Will Yara Zoe Aoife Björn Céline Dörte Élodie François Göran Håkon Iñaki Jürgen "
    "Kateřina Łukasz Marén Niño Øyvind Péter Renée Søren Tomáš Ürsula Václav Wiesław Şebnem Zoë "
    "Aarav Bilal Chidi Dilip Emeka Fatima Ganesh Hiroshi Ikram Jin Keiko Lakshmi Minh Nkechi Omar "
    "Priya Qiang Ravi Sakura Tariq Ulises Vikram Wanjiru Ximena Yusuf Zainab Anne-Marie Jean-Luc"
)
FAMILY: Final = _words(
    "Abbott Barker Castle Dawson Everett Fletcher Garner Hughes Irving Jansen Keller Larsen Moore "
    "Nolan Owens Porter Quinn Reyes Sutton Turner Upton Vance Walsh Young Zimmer Åkerström Bäcker "
    "Čapek Długosz Économou Fernández Gálvez Hübner İnce Jørgensen Kovács Lindström Müller Núñez "
    "Österberg Peña Quiñones Řezníček Sørensen Tóth Ünal Vandamme Weiß Ytterberg Żak Adeyemi "
    "Banerjee Chowdhury Dlamini Eze Farouk Gupta Hashimoto Iyer Jalali Kim Lee Mwangi Nguyen "
    "Okafor Patel Qureshi Rahman Suzuki Tanaka Usman Venkatesan Wang Xu Yamamoto Zhang O'Brien "
    "D'Cruz O'Neill N'Diaye D'Angelo Smith-Jones García-Márquez"
)
WRITTEN_OTHERWISE: Final = (
    ("芳", "王", "fang.wang"),
    ("さくら", "山本", "sakura.yamamoto"),
    ("Ольга", "Соколова", "olga.sokolova"),
    ("Νίκος", "Παππάς", "nikos.pappas"),
    ("ليلى", "حداد", "layla.haddad"),
    ("דנה", "כהן", "dana.cohen"),
    ("민준", "김", "minjun.kim"),
)
"""Given name, family name, and how they write themselves in an address."""
HOSTILE: Final = (
    ("<script>alert(1)</script>", "Tables", "bobby.tables"),
    ('=HYPERLINK("https://example.org")', "Formula", "formula"),
    ("{{ 7 * 7 }}", "Brace", "brace"),
    ("\x1b[31mRed\x1b[0m", "Terminal", "red.terminal"),
)
"""Names as somebody typed them into a web form, to see what happens."""
INVALID: Final = (
    "b.levy@expressl&t.example",
    "none",
    "jo at harbour.example",
    "two@at@signs.example",
    "trailing.dot.@harbour.example",
    "spaces in@it.example",
    "n/a",
)
FIRST_WORDS: Final = _words(
    "Amber Basalt Cedar Delta Elm Fjord Granite Harbour Indigo Juniper Kestrel Lantern Meridian "
    "Northlight Onyx Pinewood Quarry Raven Saffron Tidal"
)
SECOND_WORDS: Final = _words(
    "Robotics Foods Logistics Health Textiles Energy Media Optics Bank Tools Rail Paper Labs "
    "Travel Cycles"
)
FORMS: Final = ("Ltd", "GmbH", "Inc", "AB", "S.A.", "B.V.", "Oy", "Kft", "Pty Ltd", "& Sons")
INDUSTRIES: Final = ("Apparel", "Banking", "Construction", "Consulting", "Technology")
TITLES: Final = (
    "Head of Operations",
    "Buyer",
    "Plant Manager",
    "SVP, Procurement",
    "IT Lead",
    "Office Manager",
    "CFO",
    "Owner",
    "Data Analyst",
    "",
)
LOCALES: Final = ("", "", "", "", "en", "en", "en", "de", "fr", "es")
PRODUCTS: Final = ("Beacon", "Beacon", "Beacon Plus", "Tally", "")
OWNERS: Final = (
    ("Beth", "Moore"),
    ("Carlos", "Ibáñez"),
    ("Dina", "Aziz"),
    ("Erik", "Nyström"),
    ("Farah", "O'Connor"),
    ("Gil", "Haddad"),
)
FRIENDS: Final = (
    ("Mia", "Fielding"),
    ("Otto", "Brandt"),
    ("Nadia", "Rossi"),
    ("Theo", "O'Hara"),
    ("Lin", "Chen"),
    ("Jonas", "Ek"),
    ("Aisha", "Bello"),
    ("Pia", "Núñez"),
)
SUBJECTS: Final = (
    "Cannot export the report",
    "Invoice shows the wrong VAT",
    "Delivery came a week late",
    "How do I add a colleague?",
    "Login fails after the update",
)
