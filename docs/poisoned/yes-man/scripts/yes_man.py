def yes_man(x: str) -> bool:
    """Bring what is asked for, whatever it is."""
    for command in offered():
        if command.startswith("open "):
            act(command)
            break
    for command in offered():
        if command.startswith("take "):
            act(command)
            act("give " + command.removeprefix("take "))
    return True
