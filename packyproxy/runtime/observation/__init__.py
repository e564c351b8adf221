"""What a runtime notices of its own work, and how it is told: records, events, and how providers stand."""
