#!/usr/bin/env python3
"""What TensorFlow computes of the speech networks, for speech_test.c.

usage: speech_outputs.py MODELS >speech.outputs

A line for each network, sample and output: the name of the file, the sample, the output and
its twelve numbers.  Element i of sample n is ((i + 490 n) * 48271 + 11) mod 65536 / 8192 - 4.
Needs tensorflow-cpu 2.21 from PyPI; not needed to build or test.
"""
import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
import numpy as np
import tensorflow as tf

tf1 = tf.compat.v1
NETWORKS = {"kws-ds-cnn-s": "MobileNet/fc1/BiasAdd", "kws-ds-cnn-l": "MobileNet/fc1/BiasAdd",
            "kws-cnn-s": "add_4"}

for name, scores in NETWORKS.items():
    graph_def = tf1.GraphDef()
    with open(os.path.join(sys.argv[1], name + ".pb"), "rb") as file:
        graph_def.ParseFromString(file.read())
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_def, name="")
        with tf1.Session(graph=graph) as session:
            for sample in range(2):
                i = np.arange(490, dtype=np.int64) + 490 * sample
                x = ((i * 48271 + 11) % 65536 / 8192.0 - 4).astype(np.float32)
                outputs = ["labels_softmax", scores]
                results = session.run(
                    [o + ":0" for o in outputs], {"Mfcc:0": x.reshape(1, 49, 10)})
                for output, result in zip(outputs, results):
                    numbers = " ".join(f"{v:.9g}" for v in result.ravel())
                    print(name, sample, output, numbers)
