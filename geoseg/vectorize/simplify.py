"""Outlines simplified so that neighbours keep sharing every edge: ring by ring, in any order, in any part of a raster.

An arc is a stretch of outline between two nodes (corners where three or more outlines meet). Its vertices go smallest
triangle first (Visvalingam, Whyatt 1993) until the smallest is larger than the square of the tolerance. A vertex may go
only where the triangle that goes with it holds no corner of another stretch of the exact outlines, and that can be read
off the raster. So no arc can pass over a corner of another one, and no two can cross (the condition of de Berg, van
Kreveld, Schirra 1998, with the exact outlines in place of the simplified ones, which makes it a local one).

The result for an arc depends only on the raster around it: not on where its ring starts, on the direction it is walked
in, or on other polygons. That is why both sides of an arc get the same line, and why a raster simplified in parts gives
the same bytes as the whole at once.
"""

from __future__ import annotations

import heapq

import numpy as np
import shapely

from geoseg.arrays import Bytes, Ints, Labels, Mask, Shapes, Values
from geoseg.kernel import inline_kernel, kernel
from geoseg.vectorize.rings import Rings

__all__ = ["exact_coverage", "simplify"]

NOTHING, BEND, NODE = 0, 1, 2
"""Kinds of pixel corners: no outline, or one that goes straight on; an outline bends; three or more meet."""


@kernel
def _value(a: Values, y: int, x: int) -> int:
    """Value of a pixel, -1 outside the raster."""
    if y < 0 or x < 0 or y >= a.shape[0] or x >= a.shape[1]:
        return -1
    value: int = a[y, x]
    return value


@kernel
def _corner(a: Values, x: int, y: int) -> int:
    """`NOTHING`, `BEND` or `NODE` at a pixel corner."""
    nw, ne, sw, se = _value(a, y - 1, x - 1), _value(a, y - 1, x), _value(a, y, x - 1), _value(a, y, x)
    north, south, west, east = nw != ne, sw != se, nw != sw, ne != se
    degree = int(north) + int(south) + int(west) + int(east)
    if degree > 2:
        return NODE
    if degree == 2 and north != south:
        return BEND
    return NOTHING


@kernel
def _add_nodes(a: Values, exact: Labels, ring: Ints, kinds: Bytes) -> int:
    """Write the corners of a ring, without the last, and the nodes on its straight runs to `ring` and `kinds`.

    Returns how many there are.
    """
    n = 0
    for i in range(exact.shape[0] - 1):
        x, y, tx, ty = exact[i, 0], exact[i, 1], exact[i + 1, 0], exact[i + 1, 1]
        dx, dy = np.sign(tx - x), np.sign(ty - y)
        ring[n, 0], ring[n, 1], kinds[n] = x, y, _corner(a, x, y)
        n += 1
        x += dx
        y += dy
        while x != tx or y != ty:
            if _corner(a, x, y) == NODE:
                ring[n, 0], ring[n, 1], kinds[n] = x, y, NODE
                n += 1
            x += dx
            y += dy
    return n


@kernel
def _blocked(a: Values, arc: Ints, i: int, j: int, k: int) -> bool:
    """Tell if the closed triangle of arc vertices i < j < k holds a corner of outlines outside the arc from i to k."""
    ax, ay, bx, by, cx, cy = arc[i, 0], arc[i, 1], arc[j, 0], arc[j, 1], arc[k, 0], arc[k, 1]
    turn = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    if turn < 0:
        bx, by, cx, cy = cx, cy, bx, by
    for y in range(min(ay, by, cy), max(ay, by, cy) + 1):
        low, high = _widen(1e18, -1e18, (ax, ay), (bx, by), y)
        low, high = _widen(low, high, (bx, by), (cx, cy), y)
        low, high = _widen(low, high, (cx, cy), (ax, ay), y)
        for x in range(int(np.floor(low + 1e-9)), int(np.ceil(high - 1e-9)) + 1):
            if (bx - ax) * (y - ay) - (by - ay) * (x - ax) < 0:
                continue
            if (cx - bx) * (y - by) - (cy - by) * (x - bx) < 0 or (ax - cx) * (y - cy) - (ay - cy) * (x - cx) < 0:
                continue
            if _corner(a, x, y) != NOTHING and not _holds(arc, i, k, x, y):
                return True
    return False


@kernel
def _widen(low: float, high: float, p: tuple[int, int], q: tuple[int, int], y: int) -> tuple[float, float]:
    """Least and greatest x of a triangle on a line of pixel corners, after looking at its side from p to q."""
    (px, py), (qx, qy) = p, q
    if not min(py, qy) <= y <= max(py, qy):
        return low, high
    if py == qy:
        return min(low, px, qx), max(high, px, qx)
    at = px + (qx - px) * (y - py) / (qy - py)
    return min(low, at), max(high, at)


@kernel
def _holds(arc: Ints, i: int, k: int, x: int, y: int) -> bool:
    """Tell if one of the vertices i to k of an arc lies at a corner."""
    for q in range(i, k + 1):  # noqa: SIM110 (numba has no generators in any())
        if arc[q, 0] == x and arc[q, 1] == y:
            return True
    return False


@kernel
def _ends_meet_again(a: Values, arc: Ints) -> bool:
    """Tell if another outline joins the ends of an arc without a node between."""
    x, y, last = arc[0, 0], arc[0, 1], arc.shape[0] - 1
    mine_x, mine_y = np.sign(arc[1, 0] - x), np.sign(arc[1, 1] - y)
    dx, dy = 1, 0
    for _ in range(4):
        if dx != mine_x or dy != mine_y:
            u, v = _next_node(a, x, y, dx, dy)
            if u == arc[last, 0] and v == arc[last, 1]:
                return True
        dx, dy = -dy, dx
    return False


@kernel
def _next_node(a: Values, x: int, y: int, dx: int, dy: int) -> tuple[int, int]:
    """The node at the end of the outline that leaves corner (x, y) in a direction; (-1, -1) where none leaves."""
    while True:
        left, right = _sides(a, x, y, dx, dy)
        if left == right:
            return -1, -1
        x += dx
        y += dy
        kind = _corner(a, x, y)
        if kind == NODE:
            return x, y
        if kind == BEND:
            left, right = _sides(a, x, y, -dy, dx)
            if left == right:
                dx, dy = dy, -dx
            else:
                dx, dy = -dy, dx


@kernel
def _sides(a: Values, x: int, y: int, dx: int, dy: int) -> tuple[int, int]:
    """Values on both sides of the pixel edge that leaves corner (x, y) in direction (dx, dy)."""
    if dx == 1:
        return _value(a, y - 1, x), _value(a, y, x)
    if dx == -1:
        return _value(a, y - 1, x - 1), _value(a, y, x - 1)
    if dy == 1:
        return _value(a, y, x - 1), _value(a, y, x)
    return _value(a, y - 1, x - 1), _value(a, y - 1, x)


@kernel
def _thin(a: Values, arc: Ints, limit: int, least: int) -> Mask:
    """Vertices of an arc that stay: ends, and at least `least` between; `limit`: twice the largest triangle to go."""
    n = arc.shape[0]
    keep = np.ones(n, np.bool_)
    before, after = np.arange(n) - 1, np.arange(n) + 1
    area = np.empty(n, np.int64)
    queue: list[tuple[int, int]] = [(0, 0)]
    queue.pop()
    for k in range(1, n - 1):
        area[k] = _twice_area(arc, k - 1, k, k + 1)
        if area[k] <= limit:
            queue.append((area[k], k))
    heapq.heapify(queue)
    left = n - 2
    while len(queue) > 0 and left > least:
        value, i = heapq.heappop(queue)
        if not keep[i] or value != area[i]:
            continue
        p, q = before[i], after[i]  # its neighbours that are left
        if value > 0 and _blocked(a, arc, p, i, q):
            continue  # looked at again when a neighbour goes
        keep[i] = False
        left -= 1
        after[p], before[q] = q, p
        for j in (p, q):
            if 0 < j < n - 1:
                # Never smaller than the one that went before (the effective area).
                area[j] = max(_twice_area(arc, before[j], j, after[j]), value)
                if area[j] <= limit:
                    heapq.heappush(queue, (area[j], j))
    return keep


@kernel
def _twice_area(arc: Ints, i: int, j: int, k: int) -> int:
    """Twice the area of the triangle of three vertices."""
    ax, ay = arc[i, 0], arc[i, 1]
    doubled: int = abs((arc[j, 0] - ax) * (arc[k, 1] - ay) - (arc[j, 1] - ay) * (arc[k, 0] - ax))
    return doubled


@kernel
def _starts_at_lesser(arc: Ints) -> bool:
    """Tell if an arc is walked as it stands: from its lesser end, a loop towards the lesser neighbour of its end."""
    i, j = 0, arc.shape[0] - 1
    if arc[i, 0] == arc[j, 0] and arc[i, 1] == arc[j, 1]:
        i, j = 1, arc.shape[0] - 2
    if arc[i, 1] != arc[j, 1]:
        return bool(arc[i, 1] < arc[j, 1])
    return bool(arc[i, 0] <= arc[j, 0])


@kernel
def _kept(a: Values, arc: Ints, limit: int) -> Mask:
    """Vertices of an arc (N, 2) that stay, in the order given."""
    n = arc.shape[0]
    high, wide = a.shape
    x, y = arc[0, 0], arc[0, 1]
    if n <= 2:
        return np.ones(n, np.bool_)
    if (x == arc[1, 0] and (x == 0 or x == wide)) or (y == arc[1, 1] and (y == 0 or y == high)):
        return np.ones(n, np.bool_)  # along the raster's frame
    loop = x == arc[n - 1, 0] and y == arc[n - 1, 1]
    least = 2 if loop else int(_ends_meet_again(a, arc))
    if _starts_at_lesser(arc):
        return _thin(a, arc, limit, least)
    return _thin(a, arc[::-1].copy(), limit, least)[::-1].copy()


@inline_kernel
def _start(ring: Ints, kinds: Bytes) -> int:
    """Number of the corner that a ring is begun at: its least node, or its least corner where it has no node."""
    start, nodes = 0, False
    for i in range(ring.shape[0]):
        if nodes and kinds[i] != NODE:
            continue
        first_node = kinds[i] == NODE and not nodes
        if first_node or ring[i, 1] < ring[start, 1] or (ring[i, 1] == ring[start, 1] and ring[i, 0] < ring[start, 0]):
            start, nodes = i, nodes or first_node
    return start


@inline_kernel
def _turned(ring: Ints, kinds: Bytes, start: int) -> tuple[Ints, Bytes]:
    """A ring and its kinds from another corner on, closed; both ends count as nodes."""
    m = ring.shape[0]
    turned, kind = np.empty((m + 1, 2), np.int64), np.empty(m + 1, np.uint8)
    for i in range(m + 1):
        turned[i] = ring[(start + i) % m]
        kind[i] = kinds[(start + i) % m]
    kind[0] = kind[m] = NODE
    return turned, kind


@inline_kernel
def _corners_and_runs(exact: Labels) -> int:
    """Pixel edges along a ring, and one more: as many corners and nodes as it can have at most."""
    need = 1
    for i in range(exact.shape[0] - 1):
        need += abs(exact[i + 1, 0] - exact[i, 0]) + abs(exact[i + 1, 1] - exact[i, 1])
    return need


@kernel
def _simplify_rings(a: Values, xy: Labels, rings: Ints, limit: int) -> tuple[Ints, Ints]:
    """All rings simplified: points and ring offsets."""
    out, n = np.empty((1 << 12, 2), np.int64), 0
    offsets = np.zeros(rings.shape[0], np.int64)
    room = 1 << 10
    ring, kinds = np.empty((room, 2), np.int64), np.empty(room, np.uint8)
    for k in range(rings.shape[0] - 1):
        exact = xy[rings[k] : rings[k + 1]]
        need = _corners_and_runs(exact)
        if need > room:
            room = 2 * need
            ring, kinds = np.empty((room, 2), np.int64), np.empty(room, np.uint8)
        m = _add_nodes(a, exact, ring, kinds)
        turned, kind = _turned(ring[:m], kinds[:m], _start(ring[:m], kinds[:m]))
        if n + m + 1 > out.shape[0]:
            more = np.empty((2 * (n + m + 1), 2), np.int64)
            more[:n] = out[:n]
            out = more
        i = 0
        while i < m:
            j = i + 1
            while kind[j] != NODE:
                j += 1
            keep = _kept(a, turned[i : j + 1], limit)
            for q in range(j - i):
                if keep[q]:
                    out[n] = turned[i + q]
                    n += 1
            i = j
        out[n] = turned[0]
        n += 1
        offsets[k + 1] = n
    return out[:n], offsets


def exact_coverage(found: Rings, raster: Values) -> Shapes:
    """Exact polygons as a valid coverage: with a vertex wherever three regions meet; arguments as of `simplify`."""
    return simplify(found, raster, 0.0)


def simplify(found: Rings, raster: Values, tolerance: float) -> Shapes:
    """Simplified polygons (N,) of the regions, in pixel corners; neighbours share every edge, the raster's frame stays.

    Args:
        found: rings of `raster`, all of them or some.
        raster: class values, or codes, (H, W) that they were traced from.
        tolerance: pixels; its square is the largest triangle that is cut off.
    """
    limit = int(2 * tolerance * tolerance) if tolerance > 0 else -1
    points, offsets = _simplify_rings(np.ascontiguousarray(raster), found.xy, found.rings, limit)
    kind = shapely.GeometryType.POLYGON
    return np.asarray(shapely.from_ragged_array(kind, points.astype(float), (offsets, found.parts)))
