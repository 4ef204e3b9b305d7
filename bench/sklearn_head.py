"""Logistic regression on features in scikit-learn, one fit a line of input.

    python sklearn_head.py FEATURES.f32 ROWS WIDTH L2

Prints its version; then for each line fits on standardised features with balanced classes, and prints milliseconds
and the loss with the penalty. Labels are 1 in every fourth row. The penalty is l2 / 2 of the squares beside the mean loss.
"""

import sys
import time

import numpy
import sklearn
from sklearn.linear_model import LogisticRegression


def main() -> None:
    path, rows, width, l2 = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    features = numpy.fromfile(path, dtype=numpy.float32).reshape(rows, width)
    labels = (numpy.arange(rows) % 4 == 0).astype(int)
    print(sklearn.__version__, flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        scaled = (features - features.mean(0)) / features.std(0)
        # Of two classes it penalises one vector, which is the difference of ours.
        model = LogisticRegression(C=2 / (l2 * rows), class_weight="balanced", tol=1e-4, max_iter=200)
        model.fit(scaled, labels)
        milliseconds = (time.perf_counter() - start) * 1000
        weights = numpy.where(labels == 1, rows / 2 / labels.sum(), rows / 2 / (rows - labels.sum()))
        signs = numpy.where(labels == 1, 1, -1) * model.decision_function(scaled)
        loss = (weights * numpy.logaddexp(0, -signs)).mean() + l2 / 4 * (model.coef_**2).sum()
        print(milliseconds, loss, flush=True)


if __name__ == "__main__":
    main()
