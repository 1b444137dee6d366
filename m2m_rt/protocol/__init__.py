"""What a session is to do, as its protocol file says: pulses, intensities, blocks."""
