"""The recorded chains of 12 and 13 April 2023 through simulator, websocket, Kafka and workers, held against the venue."""
