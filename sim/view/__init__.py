"""How results look: text for people, and JSON whose field names are a contract (docs/json.md)."""
