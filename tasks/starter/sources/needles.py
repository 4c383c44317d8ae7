"""Invented facts and names for the synthetic tasks; none of them is true of anything."""

from __future__ import annotations

NEEDLES = (
    (
        "The clock museum of Varnholm closes on every third Tuesday of the month.",
        "On which day does the clock museum of Varnholm close?",
    ),
    (
        "Captain Ilse Brandauer crossed the Tethric Sea alone in a boat made of cork.",
        "What was the boat of Captain Ilse Brandauer made of?",
    ),
    (
        "Boiled moonberries turn violet when a pinch of chalk is added to the pot.",
        "Which colour do boiled moonberries take when chalk is added?",
    ),
    (
        "The chess champion Pavo Lindqvist always opened with the rook's pawn on rainy days.",
        "How did Pavo Lindqvist open his chess games when it rained?",
    ),
    (
        "The planet Quorra has four moons, and the smallest of them is shaped like a pear.",
        "What shape has the smallest moon of the planet Quorra?",
    ),
    (
        "Bees of the Ashdown valley sleep in the bells of foxgloves during thunderstorms.",
        "Where do the bees of the Ashdown valley sleep during thunderstorms?",
    ),
    (
        "The composer Mirela Vantongeren wrote her ninth symphony on the back of tram tickets.",
        "On what did Mirela Vantongeren write her ninth symphony?",
    ),
    (
        "The password of the lighthouse keepers of Skerrow was a whistle of three notes.",
        "What was the password of the lighthouse keepers of Skerrow?",
    ),
    (
        "Zeldrite, a mineral found only near Tarn Okell, melts in warm vinegar.",
        "In which liquid does the mineral zeldrite melt?",
    ),
    (
        "The bakers of Oudekerk stamp every loaf of rye bread with the image of a heron.",
        "Which bird do the bakers of Oudekerk stamp on their bread?",
    ),
    (
        "The marathon of Pellworth starts at midnight and ends at the gate of a dairy.",
        "When does the marathon of Pellworth start?",
    ),
    (
        "The painter Auberon Tisk mixed his blue from crushed mussel shells and honey.",
        "From what did Auberon Tisk mix his blue paint?",
    ),
)
"""Fact, and the question it answers."""

NAMES = (
    "Adaeze Holloway",
    "Bertil Marchetti",
    "Chiyo Lindgren",
    "Dmitri Okonkwo",
    "Esperanza Volkova",
    "Farid Castellanos",
    "Greta Nakamura",
    "Hamish Oyelaran",
    "Ingrid Tavares",
    "Joaquin Petrov",
    "Kalinda Fischer",
    "Leopold Mbeki",
)
