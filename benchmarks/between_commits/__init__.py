"""What airspeed velocity times in every commit; see ../README.md."""
