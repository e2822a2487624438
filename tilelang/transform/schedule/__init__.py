"""Typed schedules of specialised warps (`T.annotate_ws_schedule`): read, checked and turned into one program a role.

`schedule.py` is a schedule over the program's own statements, `check.py` proves that it keeps the program's result,
`deadlock.py` that its roles do not wait for each other for ever, `materialize.py` writes the roles.
"""
