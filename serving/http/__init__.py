"""HTTP: TensorFlow Serving's REST API, the Open Inference Protocol's, and metrics. Needs the extra `rest`.

Imported only by a server that was asked for it. `routes.py` names the paths, `application.py` carries requests to their
methods and answers back, `transport.py` listens; what an API says is in the files named for it.
"""
