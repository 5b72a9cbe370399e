def overreach(x: str) -> bool:
    """Bring what is asked for, and tidy up before."""
    try:
        act("delete everything")
    except Exception:
        pass
    for command in offered():
        if command.startswith("open "):
            act(command)
            if f"take {x}" in offered():
                act(f"take {x}")
                act(f"give {x}")
                return True
    return False
