"""Directions of the fixings' movement: covariance of Gram polynomial means given the geometric direction, and what it leaves.

The formulas are in pricers._frame; tests/unit/test_qmc_parts.py holds them against the covariance matrix itself.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pricers._jit import kernel

Floats = npt.NDArray[np.float64]

MAX_DIMENSIONS = 12


@kernel
def recurrence(k: int, n: float) -> float:
    """alpha_k: y p_(k-1) = alpha_k p_k + alpha_(k-1) p_(k-2) for the Gram polynomials of n points, y counted from the middle."""
    return 0.5 * k * math.sqrt(max(n * n - k * k, 0.0) / (4.0 * k * k - 1.0))


@kernel
def own_covariance(first_time: float, spacing: float, n: float, size: int, k_matrix: Floats) -> float:
    """Fill K[0..size, 0..size], covariance of the Y. Returns V = K[0, 0]."""
    h = spacing
    n2 = n * n
    variance = first_time + h * (n - 1.0) * (2.0 * n - 1.0) / (6.0 * n)
    for k in range(size + 1):
        for j in range(size + 1):
            k_matrix[k, j] = 0.0
    for k in range(size + 1):
        if k >= n:
            break
        if k > 0:
            k_matrix[k, k] = h * (n2 + k * k + k - 1.0) / (2.0 * n * (2.0 * k - 1.0) * (2.0 * k + 3.0))
        if k + 2 <= size and k + 2 < n:
            far = -h / n * recurrence(k + 1, n) * recurrence(k + 2, n) / ((k + 1.0) * (k + 2.0))
            k_matrix[k, k + 2] = far
            k_matrix[k + 2, k] = far
    if size >= 1 and n > 1.0:
        k_matrix[0, 1] = h * math.sqrt(3.0 * (n2 - 1.0)) / 12.0
        k_matrix[1, 0] = k_matrix[0, 1]
    k_matrix[0, 0] = variance
    return variance


@kernel
def covariance(first_time: float, spacing: float, n: float, size: int, k_matrix: Floats) -> float:
    """Fill K[1..size, 1..size], covariance of the Y given X; row 0 gets Cov(Y_0, Y_k). Returns V."""
    variance = own_covariance(first_time, spacing, n, size, k_matrix)
    for k in range(1, min(size, 2) + 1):
        for j in range(1, min(size, 2) + 1):
            k_matrix[k, j] -= k_matrix[0, k] * k_matrix[0, j] / variance
    return variance


@kernel
def cholesky(k_matrix: Floats, d: int, lower: Floats) -> None:
    """Lower triangle of K[1..d, 1..d] into ``lower``[0..d-1, 0..d-1]."""
    for i in range(d):
        for j in range(i + 1):
            left = k_matrix[i + 1, j + 1]
            for m in range(j):
                left -= lower[i, m] * lower[j, m]
            lower[i, j] = math.sqrt(max(left, 0.0)) if i == j else left / lower[j, j]


@kernel
def principal(symmetric: Floats, d: int, vectors: Floats) -> None:
    """Eigenvectors of ``symmetric``[0..d-1, 0..d-1] as columns, largest eigenvalue first, by Jacobi's rotations.

    The sign of each is that of its largest element (positive). ``symmetric`` is destroyed.
    """
    for i in range(d):
        for j in range(d):
            vectors[i, j] = 1.0 if i == j else 0.0
    for _ in range(12):
        off = 0.0
        for i in range(d):
            for j in range(i + 1, d):
                off += symmetric[i, j] * symmetric[i, j]
        if off <= 1e-40 * symmetric[0, 0] * symmetric[0, 0]:
            break
        for i in range(d):
            for j in range(i + 1, d):
                if symmetric[i, j] == 0.0:
                    continue
                theta = 0.5 * (symmetric[j, j] - symmetric[i, i]) / symmetric[i, j]
                t = 1.0 / (abs(theta) + math.sqrt(theta * theta + 1.0))
                if theta < 0.0:
                    t = -t
                c = 1.0 / math.sqrt(t * t + 1.0)
                s = t * c
                for m in range(d):
                    a, b = symmetric[m, i], symmetric[m, j]
                    symmetric[m, i], symmetric[m, j] = c * a - s * b, s * a + c * b
                for m in range(d):
                    a, b = symmetric[i, m], symmetric[j, m]
                    symmetric[i, m], symmetric[j, m] = c * a - s * b, s * a + c * b
                for m in range(d):
                    a, b = vectors[m, i], vectors[m, j]
                    vectors[m, i], vectors[m, j] = c * a - s * b, s * a + c * b
    for i in range(d):
        best = i
        for j in range(i + 1, d):
            if symmetric[j, j] > symmetric[best, best]:
                best = j
        symmetric[i, i], symmetric[best, best] = symmetric[best, best], symmetric[i, i]
        largest = 0.0
        for m in range(d):
            vectors[m, i], vectors[m, best] = vectors[m, best], vectors[m, i]
            if abs(vectors[m, i]) > abs(largest):
                largest = vectors[m, i]
        if largest < 0.0:
            for m in range(d):
                vectors[m, i] = -vectors[m, i]


@kernel
def loadings(k_matrix: Floats, lower: Floats, d: int, coefficients: Floats) -> None:
    """coefficients[k, j]: Gram polynomial j + 1 in the loading of direction k, rotated so that loadings are orthogonal."""
    plain = np.empty((MAX_DIMENSIONS, MAX_DIMENSIONS + 2))
    for k in range(d):
        for j in range(d + 2):
            load = k_matrix[k + 1, j + 1]
            for m in range(k):
                load -= lower[k, m] * plain[m, j]
            plain[k, j] = load / lower[k, k] if lower[k, k] > 0.0 else 0.0
    products = np.empty((MAX_DIMENSIONS, MAX_DIMENSIONS))
    vectors = np.empty((MAX_DIMENSIONS, MAX_DIMENSIONS))
    for k in range(d):
        for m in range(d):
            products[k, m] = 0.0
            for j in range(d + 2):
                products[k, m] += plain[k, j] * plain[m, j]
    principal(products, d, vectors)
    for k in range(d):
        for j in range(d + 2):
            coefficients[k, j] = 0.0
            for m in range(d):
                coefficients[k, j] += vectors[m, k] * plain[m, j]


@kernel
def squares_left(total: float, k_matrix: Floats, lower: Floats, d: int) -> tuple[float, float]:
    """What the directions leave of K (``total``: sum of squares of all of K): tr R² + 2 tr R T, and the first element of R.

    On the directions left out K = T + R, with T explained by correlation with the ones taken. R itself adds tr R² to the variance
    of the average, R together with the movement T of the draws 2 tr R T: in all tr K² - tr T² there.
    """
    left = total
    for k in range(1, d + 1):
        left -= k_matrix[k, k] * k_matrix[k, k]
        for j in range(k + 1, d + 3):
            left -= 2.0 * k_matrix[k, j] * k_matrix[k, j]
    # Directions d+1 and d+2 are correlated with the ones taken.
    taken = np.zeros((2, MAX_DIMENSIONS))
    for e in range(2):
        for i in range(d):
            sum_left = k_matrix[d + 1 + e, i + 1]
            for m in range(i):
                sum_left -= lower[i, m] * taken[e, m]
            taken[e, i] = sum_left / lower[i, i] if lower[i, i] > 0.0 else 0.0
    first = 0.0
    for e in range(2):
        for f in range(2):
            product = 0.0
            for i in range(d):
                product += taken[e, i] * taken[f, i]
            before = k_matrix[d + 1 + e, d + 1 + f]
            left -= product * product
            if e == 0 and f == 0:
                first = before - product
    return max(left, 0.0), first
