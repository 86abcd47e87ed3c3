"""Stages: each looks at a candidate and may give it another reason, so that fewer alerts reach people. Pure."""
