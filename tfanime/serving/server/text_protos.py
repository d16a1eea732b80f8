"""The configuration files of TensorFlow Serving: text protos, and the message types that pip has no code for.

`tensorflow-serving-api` ships `ModelServerConfig` alone. The fields of the others are those of
session_bundle_config.proto (tensorflow_serving/servables/tensorflow), ssl_config.proto and monitoring_config.proto
(tensorflow_serving/config), as far as this server knows them; any other field is an error of the file.
"""

from pathlib import Path

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format, wrappers_pb2

_PACKAGE = "tensorflow.serving"
_REPEATED = "repeated "
_MESSAGES = {
    "BatchingParameters": (
        ("max_batch_size", "google.protobuf.Int64Value"),
        ("batch_timeout_micros", "google.protobuf.Int64Value"),
        ("max_enqueued_batches", "google.protobuf.Int64Value"),
        ("num_batch_threads", "google.protobuf.Int64Value"),
        ("thread_pool_name", "google.protobuf.StringValue"),
        ("allowed_batch_sizes", "repeated int64"),
        ("pad_variable_length_inputs", "bool"),
    ),
    "SSLConfig": (
        ("server_key", "string"),
        ("server_cert", "string"),
        ("custom_ca", "string"),
        ("client_verify", "bool"),
    ),
    "PrometheusConfig": (("enable", "bool"), ("path", "string")),
    "MonitoringConfig": (("prometheus_config", f"{_PACKAGE}.PrometheusConfig"),),
}


def _message_classes():
    """The classes of `_MESSAGES` by name, from a pool of their own: a program may have the real ones in the default."""
    field_type = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="tfanime/serving.proto", package=_PACKAGE, syntax="proto3")
    file.dependency.append(wrappers_pb2.DESCRIPTOR.name)
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, (field_name, type_name) in enumerate(fields, 1):
            field = message.field.add(name=field_name, number=number, label=field_type.LABEL_OPTIONAL)
            if type_name.startswith(_REPEATED):
                field.label = field_type.LABEL_REPEATED
                type_name = type_name.removeprefix(_REPEATED)
            if "." in type_name:
                field.type, field.type_name = field_type.TYPE_MESSAGE, f".{type_name}"
            else:
                field.type = field_type.Type.Value(f"TYPE_{type_name.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _MESSAGES
    }


_CLASSES = _message_classes()
BatchingParameters = _CLASSES["BatchingParameters"]
SSLConfig = _CLASSES["SSLConfig"]
MonitoringConfig = _CLASSES["MonitoringConfig"]


def read(path, message_class, flag):
    """Reads a text proto.

    Args:
        path: The file.
        message_class: The message that it holds.
        flag: The flag that named the file, for the message.

    Returns:
        A `message_class`.

    Raises:
        OSError: The file cannot be read.
        ValueError: It holds something else; the message has line and column.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
        return text_format.Parse(text, message_class())
    except (text_format.ParseError, UnicodeDecodeError) as error:
        name = message_class.DESCRIPTOR.name
        raise ValueError(
            f"{flag} must be a text proto of TensorFlow Serving's {name}. Received: {path}: {error}"
        ) from error
    except OSError as error:
        raise type(error)(f"{flag} must be a file that can be read. Received: {path}: {error.strerror}") from error
