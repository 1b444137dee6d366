"""m2m_rt: predicts muscle responses before each TMS pulse and learns from each."""
