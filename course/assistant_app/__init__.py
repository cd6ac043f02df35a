"""Lampa's support assistant as a service: what lesson A8 builds, whole and small.

    python -m course.assistant_app --port 8010 shop.db

| file | subject |
|---|---|
| `parts.py` | six plain functions, the lesson's exercises: replace any of them |
| `brain.py` | from a customer's words to a call, a result and an answer |
| `service.py` | HTTP: routes, limits, streaming, the log |
| `log.py` | every request in one SQLite table |
| `page.html` | the page in which one can talk to it |
| `deploy/` | the container and the workflow that tests before it deploys |

It listens on the loopback address. It has no accounts: put it behind something that has.
"""
