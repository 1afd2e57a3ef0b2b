"""The closed loop, a stage a file.

1. `pull`        customers come in from the CRM
2. `choose`      whose turn it is, and why not the others
3. `ask`         the question goes out
4. `answer`      the customer gives a score
5. `write_back`  the score goes onto the record
6. `follow_up`   a task for a detractor; a word to a passive
7. `refer`       an invitation to a promoter, and who came through it
8. `close`       it has been dealt with

`leave` holds the ways out, `figures` what it all says. Every move that a survey, a case or a
referral can make stands in `states`; what a move owes to the outside world becomes an effect,
which `outbox` delivers; `schedule` says what runs when.
"""
