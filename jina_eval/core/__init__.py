"""What every package may use and none of them owns: fetching, reading, showing."""
