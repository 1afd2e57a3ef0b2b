"""What invented customers write, by the group of their score."""

from typing import Final

from loop.states import Group

COMMENTS: Final = {
    Group.PROMOTER: (
        "Beth answers the phone before it rings. Never change.",
        "Everything arrived a day early, again.",
        "Alles bestens, wir bleiben!",
        "The new export saved us a week. Merci à toute l'équipe !",
        "Best support we have 💚",
        "It does one thing and does it well.",
        "Would buy again & tell everyone I know.",
    ),
    Group.PASSIVE: (
        "Good, but the invoices could be clearer.",
        "It's fine. Prices went up twice this year though.",
        "Solid product; the app is slow on my phone.",
        "Ganz gut, aber die Suche findet nichts.",
        "OK",
        "Two wishes:\n- dark mode\n- an export to CSV",
    ),
    Group.DETRACTOR: (
        "Three tickets, no answer. We are looking at alternatives.",
        "Delivered to the wrong site twice. Nobody called back.",
        "Your engineer didn't turn up & I lost a day's work.",
        "Seit Wochen kein Rückruf. Sehr enttäuscht.",
        "The last update broke the login for half of our people 😡",
        "I was promised a refund in March.",
        "<b>Too slow.</b> And please stop sending paper invoices!",
        "=SUM(A1:A9) is all your report shows",
    ),
}
STOP: Final = ("STOP", "stop!", "Please stop", "unsubscribe me")
SECOND_THOUGHTS: Final = {
    Group.PROMOTER: "Somebody called me within the hour. Respect.",
    Group.PASSIVE: "I had mixed you up with somebody else, sorry.",
    Group.DETRACTOR: "On second thought: it went wrong again today.",
}
