"""Solves one Gaussian tree with shared offsets exactly: means, spreads and what moves together.

Unknowns are the nodes x, the offsets b and, as the last of those, the usual step from a parent to a
child. Eliminating children before parents leaves a tree's matrix without fill, so its factor, its
solves and the variances on it are linear in its size; the offsets remain as a dense Schur
complement. Where nodes times offsets is too much for that, the means still come exactly (conjugate
gradients on the Schur complement) and the spreads keep only what each node's own readings say of
its offsets, and what all of them say of the usual step.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import linalg
from threadpoolctl import threadpool_limits

# On a busy machine the threads of a product of small matrices wait for each other: a goal of 393
# runs on 217 devices took 19 s to fit and judge after a restart, and 0.7 s with one thread.
threadpool_limits(1, user_api="blas")

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

Rows = Any
"""A dense or a sparse matrix of floats; scipy has no types to tell them apart by."""

STEADY = 1e-10
"""Share by which offsets are known better than they are, lest rounding leave them not known."""
DENSE = 8_000_000
"""Largest nodes x offsets that is solved densely: 64 MB of doubles."""
WORK = 3_000_000_000
"""Most products that a dense solve makes: 2,000 runs on 1,200 devices took 6 s to fit by more."""


@dataclass(frozen=True)
class Spreads:
    """Standard deviations, in the readings' unit; `drift` is that of the usual step around 0."""

    noise: float
    step: float
    drift: float
    root: float
    offsets: tuple[float, float, float]


@dataclass(frozen=True)
class Problem:
    """`parent` is -1 at roots, which are expected at `shift`.

    Any other node is expected at its parent plus `shift` plus the usual step, which is unknown.
    `weight` multiplies a step's precision, `faith` a reading's. `columns` says per reading which
    offsets it carries (-1: none), `kind` per offset which of the three spreads it has.
    """

    parent: Ints
    shift: Floats
    weight: Floats
    node: Ints
    value: Floats
    columns: Ints
    kind: Ints
    faith: Floats | float = 1.0

    def precision(self, noise: float) -> Floats:
        """Of each reading."""
        found: Floats = np.broadcast_to(self.faith, self.value.shape) / noise**2
        return found


@dataclass(frozen=True)
class Posterior:
    """Means and standard deviations of nodes, steps to the parent, offsets and fitted readings.

    `drift` is the usual step, `surprise_sd` how surely each step's distance from it is known;
    `rest` and `rest_sd` are each reading's summed offset as all the other readings tell it.
    """

    mean: Floats
    sd: Floats
    step_sd: Floats
    drift: float
    surprise_sd: Floats
    offset: Floats
    offset_sd: Floats
    fitted: Floats
    fitted_sd: Floats
    rest: Floats
    rest_sd: Floats


class _Tree:
    """The nodes' precision matrix, factorised; solves and variances given the offsets."""

    def __init__(self, problem: Problem, spreads: Spreads) -> None:
        size, up = len(problem.parent), problem.parent
        self.inner = np.flatnonzero(up >= 0)
        self.up = up[self.inner]
        self.edge = problem.weight / spreads.step**2
        self.edge[up < 0] = 1 / spreads.root**2
        hung = np.bincount(self.up, self.edge[self.inner], size)
        read = np.bincount(problem.node, problem.precision(spreads.noise), size)
        self.diagonal = self.edge + hung + read
        self._factor = self._factorised(size)
        self._pivots(problem.parent)

    def _factorised(self, size: int) -> linalg.SuperLU:
        """Children come after parents, so the reversed order eliminates leaves first: no fill."""
        last = size - 1
        row, column = last - self.inner, last - self.up
        off = -self.edge[self.inner]
        every = np.arange(size)
        rows, columns = np.concatenate([every, row, column]), np.concatenate([every, column, row])
        # Sorted here: scipy's way over coordinates takes longer than factorising a small tree.
        order = np.lexsort((rows, columns))
        starts = np.concatenate([[0], np.cumsum(np.bincount(columns, minlength=size))])
        data = np.concatenate([self.diagonal[::-1], off, off])[order]
        matrix = sparse.csc_matrix((data, rows[order], starts), shape=(size, size))
        options = {"SymmetricMode": True}
        return linalg.splu(matrix, permc_spec="NATURAL", diag_pivot_thresh=0.0, options=options)

    def _pivots(self, parent: Ints) -> None:
        """Variances from the root down, each from its pivot and its parent's (Rue & Held 2.4)."""
        up, edge, pivot = parent.tolist(), self.edge.tolist(), self.diagonal.tolist()
        for node in range(len(up) - 1, 0, -1):
            if up[node] >= 0:
                pivot[up[node]] -= edge[node] ** 2 / pivot[node]
        variance, pull = [0.0] * len(up), [0.0] * len(up)
        for node, above in enumerate(up):
            if above < 0:
                variance[node] = 1 / pivot[node]
            else:
                pull[node] = edge[node] / pivot[node]
                variance[node] = 1 / pivot[node] + pull[node] ** 2 * variance[above]
        self.variance, self.pull = np.array(variance), np.array(pull)

    def solve(self, right: Floats) -> Floats:
        answer: Floats = self._factor.solve(np.ascontiguousarray(right[::-1]))[::-1]
        return answer

    def right_side(self, problem: Problem, spreads: Spreads) -> Floats:
        told = problem.value * problem.precision(spreads.noise)
        read = np.bincount(problem.node, told, len(problem.parent))
        right: Floats = self.pushed(problem.shift) + read
        return right

    def pushed(self, shift: Floats) -> Floats:
        """How expected steps push each child one way and its parent the other."""
        push = self.edge * shift
        pushed: Floats = push - np.bincount(self.up, push[self.inner], len(push))
        return pushed

    @property
    def coupled_drift(self) -> Floats:
        """How each node is coupled with the usual step."""
        steps = np.zeros(len(self.edge))
        steps[self.inner] = 1.0
        return -self.pushed(steps)

    def step_variance(self) -> Floats:
        """Variance of node minus parent, given the offsets; a root's own variance at roots."""
        variance = self.variance.copy()
        above = self.variance[self.up]
        variance[self.inner] += above - 2 * self.pull[self.inner] * above
        return variance


@dataclass(frozen=True)
class _Offsets:
    """The offsets' covariance (a matrix, or a vector where only its diagonal is kept) and means.

    The usual step is the last of them. `load` says how each node's mean moves with each offset.
    """

    mean: Floats
    covariance: Floats
    load: Rows

    @property
    def variance(self) -> Floats:
        """Each offset's own variance."""
        alone = self.covariance.ndim == 1
        return self.covariance if alone else self.covariance.diagonal()

    def spread(self, rows: Rows) -> Rows:
        """Rows of combinations times the covariance."""
        if self.covariance.ndim == 1:
            return (rows @ sparse.diags(self.covariance)).tocsr()
        return rows @ self.covariance


def is_dense(nodes: int, offsets: int) -> bool:
    """Whether so many are few enough for matrices without gaps, in memory and in time."""
    return nodes * offsets <= DENSE and offsets**2 * (nodes + offsets) <= WORK


def solve(problem: Problem, spreads: Spreads) -> Posterior:
    """The posterior of every node and offset, and of the usual step."""
    tree, carried = _Tree(problem, spreads), _carried(problem)
    couple = _coupling(problem, spreads, tree, carried)
    right = tree.right_side(problem, spreads)
    how = _dense if is_dense(len(problem.parent), len(problem.kind)) else _sparse
    offsets = how(problem, spreads, tree, carried, couple, right)
    mean = tree.solve(right - couple @ offsets.mean)
    return _posterior(problem, spreads.noise, tree, carried, offsets, mean)


def _carried(problem: Problem) -> sparse.csr_matrix:
    """Readings x offsets: ones where a reading carries an offset; none carries the usual step."""
    rows, places = np.nonzero(problem.columns >= 0)
    columns = problem.columns[rows, places]
    shape = (len(problem.value), len(problem.kind) + 1)
    return sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=shape)


def _coupling(
    problem: Problem, spreads: Spreads, tree: _Tree, carried: sparse.csr_matrix
) -> sparse.csr_matrix:
    reads = sparse.csr_matrix(
        (problem.precision(spreads.noise), (problem.node, np.arange(len(problem.node)))),
        shape=(len(problem.parent), len(problem.node)),
    )
    return _with_drift(reads @ carried, tree.coupled_drift)


def _with_drift(offsets: sparse.csr_matrix, drift: Floats) -> sparse.csr_matrix:
    """The same columns with the last one, the usual step's, filled in."""
    return sparse.hstack([offsets[:, :-1], drift[:, None]], format="csr")


def _own(problem: Problem, spreads: Spreads, tree: _Tree) -> Floats:
    """What the priors, and for the usual step all steps, say of each offset by itself."""
    prior = 1 / np.array(spreads.offsets)[problem.kind] ** 2
    steps = tree.edge[tree.inner].sum() + 1 / spreads.drift**2
    return np.append(prior, steps)


def _shared(problem: Problem, spreads: Spreads, carried: sparse.csr_matrix) -> Rows:
    """What readings say of each pair of offsets that they carry."""
    return carried.T @ sparse.diags(problem.precision(spreads.noise)) @ carried


def _pushed(problem: Problem, spreads: Spreads, tree: _Tree, carried: sparse.csr_matrix) -> Floats:
    """The offsets' right side: what readings say of them, and expected steps of the usual one."""
    pushed: Floats = carried.T @ (problem.value * problem.precision(spreads.noise))
    pushed[-1] = -(tree.edge[tree.inner] @ problem.shift[tree.inner])
    return pushed


def _dense(
    problem: Problem,
    spreads: Spreads,
    tree: _Tree,
    carried: sparse.csr_matrix,
    couple: sparse.csr_matrix,
    right: Floats,
) -> _Offsets:
    load = tree.solve(couple.toarray())
    own = _shared(problem, spreads, carried).toarray()
    alone = own.diagonal() + _own(problem, spreads, tree)
    np.fill_diagonal(own, alone * (1 + STEADY))
    covariance: Floats = np.asarray(np.linalg.inv(own - couple.T @ load), dtype=np.float64)
    pushed = _pushed(problem, spreads, tree, carried)
    return _Offsets(covariance @ (pushed - load.T @ right), covariance, load)


def _sparse(
    problem: Problem,
    spreads: Spreads,
    tree: _Tree,
    carried: sparse.csr_matrix,
    couple: sparse.csr_matrix,
    right: Floats,
) -> _Offsets:
    back = couple.T.tocsr()
    alone = sparse.diags(_own(problem, spreads, tree))
    own = _shared(problem, spreads, carried).tocsr() + alone
    width = len(problem.kind) + 1
    schur = linalg.LinearOperator(
        (width, width), matvec=lambda b: own @ b - back @ tree.solve(couple @ b), dtype=float
    )
    pushed = _pushed(problem, spreads, tree, carried) - back @ tree.solve(right)
    near = (sparse.diags(tree.variance) @ couple).tocsr()
    load = _with_drift(near, tree.solve(tree.coupled_drift))
    left = own.diagonal() - np.asarray(couple.multiply(load).sum(axis=0)).ravel()
    start = sparse.diags(1 / left)
    mean, _ = linalg.cg(schur, pushed, rtol=1e-6, maxiter=200, M=start)
    return _Offsets(mean, 1 / left, load)


def _posterior(
    problem: Problem,
    noise: float,
    tree: _Tree,
    carried: sparse.csr_matrix,
    offsets: _Offsets,
    mean: Floats,
) -> Posterior:
    """Add to the tree's own variances what the offsets bring, from one product of matrices."""
    load, pulled, inner, up = offsets.load, offsets.spread(offsets.load), tree.inner, tree.up
    nodes = _rowwise(load, pulled)
    steps = tree.step_variance() + nodes
    steps[inner] += nodes[up] - 2 * _rowwise(load[inner], pulled[up])
    surprise, drift = steps.copy(), _column(pulled)
    surprise[inner] += offsets.variance[-1] + 2 * (drift[inner] - drift[up])
    own = _rowwise(carried, offsets.spread(carried))
    shared = _rowwise(carried, pulled[problem.node])
    fitted = np.maximum((tree.variance + nodes)[problem.node] + own - 2 * shared, 0.0)
    summed = carried @ offsets.mean
    guess = mean[problem.node] + summed
    left = np.maximum(1 / problem.precision(noise) - fitted, 1e-6 * noise**2)
    gain = (own - shared) / left  # taking one reading out again: Rue & Held 2005, 2.3.3
    return Posterior(
        mean=mean,
        sd=np.sqrt(np.maximum(tree.variance + nodes, 0.0)),
        step_sd=np.sqrt(np.maximum(steps, 0.0)),
        drift=float(offsets.mean[-1]),
        surprise_sd=np.sqrt(np.maximum(surprise, 0.0)),
        offset=offsets.mean[:-1],
        offset_sd=np.sqrt(np.maximum(offsets.variance[:-1], 0.0)),
        fitted=guess,
        fitted_sd=np.sqrt(fitted),
        rest=summed - gain * (problem.value - guess),
        rest_sd=np.sqrt(np.maximum(own + gain * (own - shared), 0.0)),
    )


def _rowwise(left: Rows, right: Rows) -> Floats:
    """Sum over each row of the products of two matrices' entries."""
    if sparse.issparse(left):
        return np.asarray(left.multiply(right).sum(axis=1)).ravel()
    summed: Floats = np.einsum("ij,ij->i", left, right)
    return summed


def _column(rows: Rows) -> Floats:
    """The last column, the usual step's."""
    last = rows[:, -1]
    return np.asarray(last.toarray() if sparse.issparse(last) else last).ravel()
