"""The `/_sandbox` calls: a JSON interface to everything a test or an operator may want to make happen."""
