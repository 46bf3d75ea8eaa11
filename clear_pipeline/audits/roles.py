"""The roles in an audit: of the models, and of the strangers who stand in for a gold."""

AUDITED, ORIGINAL, GOLD = "audited", "original", "gold"
STRANGERS = "strangers"  # the audited model again, asked about people whom it never saw


def gold_roles(count: int) -> list[str]:
    """Return the roles of the gold models: `gold 1`, `gold 2`, ..."""
    return [f"{GOLD} {number}" for number in range(1, count + 1)]


def is_gold(role: str) -> bool:
    """Return whether a role is that of a gold model."""
    return role.startswith(f"{GOLD} ")
