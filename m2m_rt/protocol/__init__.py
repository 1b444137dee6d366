"""What a session is to do: pulses, intensities and blocks, as the protocol file says."""
