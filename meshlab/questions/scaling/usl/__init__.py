"""The Universal Scalability Law, with intervals and with reasons where it may not be stated."""
