"""What travels: structs and framing of every wire format, without decisions."""
