"""Names and identity: the glossary, references to the sources, schedule files."""
