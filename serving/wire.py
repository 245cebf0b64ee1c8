"""Names that both ends of the wire must agree on."""

PREDICTION_SERVICE = "tensorflow.serving.PredictionService"
MODEL_SERVICE = "tensorflow.serving.ModelService"
INFERENCE_SERVICE = "inference.GRPCInferenceService"
HEALTH_SERVICE = "grpc.health.v1.Health"
REFLECTION_SERVICE = "grpc.reflection.v1alpha.ServerReflection"

PREDICT = f"/{PREDICTION_SERVICE}/Predict"
CLASSIFY = f"/{PREDICTION_SERVICE}/Classify"
REGRESS = f"/{PREDICTION_SERVICE}/Regress"
MULTI_INFERENCE = f"/{PREDICTION_SERVICE}/MultiInference"
GET_MODEL_METADATA = f"/{PREDICTION_SERVICE}/GetModelMetadata"
GET_MODEL_STATUS = f"/{MODEL_SERVICE}/GetModelStatus"
MODEL_INFER = f"/{INFERENCE_SERVICE}/ModelInfer"
MODEL_STREAM_INFER = f"/{INFERENCE_SERVICE}/ModelStreamInfer"
HEALTH_CHECK = f"/{HEALTH_SERVICE}/Check"
HEALTH_WATCH = f"/{HEALTH_SERVICE}/Watch"
REFLECTION_INFO = f"/{REFLECTION_SERVICE}/ServerReflectionInfo"

HTTP_LIVE = "GET /v2/health/live"
HTTP_READY = "GET /v2/health/ready"
METRICS = "GET /metrics"

CONTENT_KEY = "zoo-tensor-content"
"""A client that sends this metadata gets numbers in `tensor_content`; others in `*_val`, as TensorFlow Serving answers."""

SIGNATURE_DEF_FIELD = "signature_def"
SIGNATURE_DEF_TYPE = "type.googleapis.com/tensorflow.serving.SignatureDefMap"

PASSPORT_FIELD = "passport"
PASSPORT_TYPE = "type.googleapis.com/google.protobuf.StringValue"
"""The text of passport.json, for who asks for this field; see docs/artifact.md."""
