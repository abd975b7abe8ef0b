"""Keras's own networks with random weights, saved as .h5 by Keras 2 and by Keras 3.

Inputs are as small as each network allows; statistics of normalisations are random too, so
that none of them is idle.  The last activation is left away: a softmax would hide errors."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import keras as keras3
import numpy as np
import tf_keras as keras2

FLAVOURS = {"keras2": keras2, "keras3": keras3}
CLASSES = 50

# Of keras.applications, with the side of the input.
APPLICATIONS = {
    "ResNet50": 64,
    "ResNet50V2": 64,
    "VGG16": 64,
    "InceptionV3": 96,
    "MobileNet": 64,
    "MobileNetV2": 64,
    "MobileNetV3Small": 64,
    "NASNetMobile": 96,
    "DenseNet121": 64,
    "EfficientNetB0": 64,
    "Xception": 96,
}
LARGE = {"NASNetLarge": 128}


def application(keras, name, side):
    options = {"weights": None, "input_shape": (side, side, 3), "classes": CLASSES}
    options["classifier_activation"] = None
    if name.startswith("NASNet"):
        del options["classifier_activation"]  # it has a softmax, always
    return getattr(keras.applications, name)(**options)


def nested(keras, side):
    """A base as a layer, frozen in part, called on what other layers made; a shared one."""
    layers = keras.layers
    base = keras.applications.MobileNetV2(
        weights=None, include_top=False, input_shape=(side, side, 3), alpha=0.35
    )
    for layer in base.layers[:40]:
        layer.trainable = False
    x = inputs = layers.Input((side, side, 3))
    x = layers.RandomFlip()(x)
    x = layers.Rescaling(1.0 / 127.5, offset=-1.0)(x)
    x = base(x, training=False)
    shared = layers.Dense(16, activation="gelu")
    a, b = layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)
    x = layers.concatenate([shared(a), shared(b)])
    head = keras.Sequential([layers.Dense(8, activation="relu"), layers.Dropout(0.3), layers.Dense(5)])
    return keras.Model(inputs, head(x))


def layers_of_all_kinds(keras, side):
    layers = keras.layers
    x = inputs = layers.Input((side, side + 1, 3))
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="elu")(x)
    x = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, activation="selu")(x)
    x = layers.BatchNormalization(scale=False)(x)
    x = layers.LeakyReLU()(x)
    x = layers.SeparableConv2D(8, 5, padding="same", dilation_rate=2, activation="softsign")(x)
    x = layers.PReLU(shared_axes=[1, 2])(x)
    y = layers.AveragePooling2D(3, strides=2, padding="same")(x)
    z = layers.MaxPooling2D(3, strides=2, padding="same")(x)
    x = layers.Concatenate()([y, layers.Subtract()([z, y])])
    x = layers.Conv2DTranspose(6, 3, strides=2, padding="same", activation="softplus")(x)
    x = layers.Conv2DTranspose(6, 2, strides=3, padding="valid", activation="tanh")(x)
    x = layers.UpSampling2D(2)(x)
    x = layers.UpSampling2D((2, 1), interpolation="bilinear")(x)
    x = layers.Cropping2D(((1, 2), (0, 3)))(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.ZeroPadding2D(((0, 1), (2, 0)))(x)
    x = layers.Conv2D(8, 3, groups=2, dilation_rate=(1, 2), activation="swish")(x)
    x = layers.Permute((2, 1, 3))(x)
    x = layers.Dense(5, activation="hard_sigmoid")(x)
    x = layers.Softmax()(x)
    x = layers.Average()([x, layers.Activation("exponential")(x), layers.ReLU(0.25)(x)])
    x = layers.Maximum()([x, layers.Minimum()([x, layers.ELU(0.5)(x)])])
    x = layers.MaxPooling2D(4)(x)
    flat = layers.Flatten()(x)
    table = layers.Dense(3, activation="sigmoid")(layers.Reshape((-1, 5))(x))
    return keras.Model(inputs, [layers.Dense(4)(flat), table])


OWN = {"Nested": (nested, 64), "LayersOfAllKinds": (layers_of_all_kinds, 21)}


def randomise(model, rng):
    """Kernels keep what He's rule gives them; everything else is made to matter."""
    values = []
    for weight in model.weights:
        name = getattr(weight, "path", weight.name).split(":")[0].rsplit("/", 1)[-1]
        value = np.array(weight)
        if value.ndim <= 1 and value.dtype == np.float32 and value.size > 0:
            if name in ("gamma", "moving_variance", "variance"):
                value = rng.uniform(0.7, 1.3, value.shape)
            else:
                value = rng.normal(0, 0.1, value.shape)
        values.append(value.astype(np.array(weight).dtype))
    model.set_weights(values)
    for layer in model.layers:  # they compute with copies of their statistics
        if type(layer).__name__ == "Normalization":
            layer.finalize_state()


def networks(with_large):
    for name, side in {**APPLICATIONS, **(LARGE if with_large else {})}.items():
        yield name, lambda keras, name=name, side=side: application(keras, name, side)
    for name, (make, side) in OWN.items():
        yield name, lambda keras, make=make, side=side: make(keras, side)
