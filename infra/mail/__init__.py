"""How letters reach people, by the mail server that is set, else as files; whose address it is."""
