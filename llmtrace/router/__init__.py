"""The router: a service of its own that decides who is told about an alert, tells them, and remembers why.

It shares with the service half only the words in ``llmtrace.semconv``. Start reading at ``model`` (the values),
then ``decide.py`` (the decision, pure), then ``dispatcher.py`` (the one loop).
"""
