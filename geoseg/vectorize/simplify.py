"""Outlines of a class raster simplified so that neighbours keep sharing every edge: each ring by itself, in any order, in any part of the raster.

An arc is a stretch of outline between two nodes (corners where three or more outlines meet). Its vertices go smallest triangle first (Visvalingam,
Whyatt 1993) until the smallest is larger than the square of the tolerance. A vertex may go only where the triangle that goes with it holds no corner
of another stretch of the exact outlines, which the raster itself tells; so no arc can pass over a corner of another one, and no two can cross (the
condition of de Berg, van Kreveld, Schirra 1998, with the exact outlines in place of the simplified ones, which makes it a local one).

What an arc becomes hangs only on the raster around it: not on where its ring starts, on the direction it is walked in, or on other polygons. That is
why both its sides get the same line, and why a raster simplified in parts gives the same bytes as the whole at once.
"""

from __future__ import annotations

import heapq

import numba
import numpy as np
import numpy.typing as npt
import shapely

from geoseg.arrays import Bytes
from geoseg.vectorize.trace import Rings

__all__ = ["noded", "simplified"]


@numba.njit(cache=True, nogil=True)
def _value(a, y, x):  # type: ignore[no-untyped-def]
    if y < 0 or x < 0 or y >= a.shape[0] or x >= a.shape[1]:
        return -1
    return np.int64(a[y, x])


@numba.njit(cache=True, nogil=True)
def _corner(a, x, y):  # type: ignore[no-untyped-def]
    """What outlines do at a pixel corner: 0 nothing or straight on, 1 they bend, 2 three or more meet."""
    nw, ne, sw, se = _value(a, y - 1, x - 1), _value(a, y - 1, x), _value(a, y, x - 1), _value(a, y, x)
    north, south, west, east = nw != ne, sw != se, nw != sw, ne != se
    degree = int(north) + int(south) + int(west) + int(east)
    if degree > 2:
        return 2
    if degree == 2 and north != south:
        return 1
    return 0


@numba.njit(cache=True, nogil=True)
def _noded_ring(a, xy, begin, end, out, kinds):  # type: ignore[no-untyped-def]
    """Corners of a ring, the last left out, with nodes on its straight runs added; returns how many, written to `out` and `kinds`."""
    n = 0
    for i in range(begin, end - 1):
        x, y, tx, ty = xy[i, 0], xy[i, 1], xy[i + 1, 0], xy[i + 1, 1]
        dx, dy = np.sign(tx - x), np.sign(ty - y)
        out[n, 0], out[n, 1], kinds[n] = x, y, _corner(a, x, y)
        n += 1
        x += dx
        y += dy
        while x != tx or y != ty:
            if _corner(a, x, y) == 2:
                out[n, 0], out[n, 1], kinds[n] = x, y, 2
                n += 1
            x += dx
            y += dy
    return n


@numba.njit(cache=True, nogil=True)
def _blocked(a, arc, i, j, k):  # type: ignore[no-untyped-def]
    """Whether the closed triangle of arc vertices i < j < k holds a corner of outlines other than the arc's own between i and k."""
    ax, ay, bx, by, cx, cy = arc[i, 0], arc[i, 1], arc[j, 0], arc[j, 1], arc[k, 0], arc[k, 1]
    turn = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    if turn < 0:
        bx, by, cx, cy = cx, cy, bx, by
    for y in range(min(ay, by, cy), max(ay, by, cy) + 1):
        low, high = 1e18, -1e18
        for e in range(3):
            if e == 0:
                px, py, qx, qy = ax, ay, bx, by
            elif e == 1:
                px, py, qx, qy = bx, by, cx, cy
            else:
                px, py, qx, qy = cx, cy, ax, ay
            if min(py, qy) <= y <= max(py, qy):
                if py == qy:
                    low, high = min(low, px, qx), max(high, px, qx)
                else:
                    at = px + (qx - px) * (y - py) / (qy - py)
                    low, high = min(low, at), max(high, at)
        for x in range(int(np.floor(low + 1e-9)), int(np.ceil(high - 1e-9)) + 1):
            if (bx - ax) * (y - ay) - (by - ay) * (x - ax) < 0:
                continue
            if (cx - bx) * (y - by) - (cy - by) * (x - bx) < 0 or (ax - cx) * (y - cy) - (ay - cy) * (x - cx) < 0:
                continue
            if _corner(a, x, y) == 0:
                continue
            own = False
            for q in range(i, k + 1):
                if arc[q, 0] == x and arc[q, 1] == y:
                    own = True
                    break
            if not own:
                return True
    return False


@numba.njit(cache=True, nogil=True)
def _meets_again(a, x, y, tx, ty, px, py):  # type: ignore[no-untyped-def]
    """Whether another outline from node (x, y) ends at node (tx, ty) without a node between; (px, py): next vertex of the arc that asks."""
    mine_x, mine_y = np.sign(px - x), np.sign(py - y)
    for d in range(4):
        dx, dy = (1, 0, -1, 0)[d], (0, 1, 0, -1)[d]
        if dx == mine_x and dy == mine_y:
            continue
        u, v, ux, uy = x, y, dx, dy
        while True:  # along the outline, its pixels a[...] differ on both sides
            left, right = _sides(a, u, v, ux, uy)
            if left == right:
                break  # no outline this way
            u += ux
            v += uy
            kind = _corner(a, u, v)
            if kind == 2:
                if u == tx and v == ty:
                    return True
                break
            if kind == 1:
                rx, ry = -uy, ux
                left, right = _sides(a, u, v, rx, ry)
                if left == right:
                    rx, ry = uy, -ux
                ux, uy = rx, ry
    return False


@numba.njit(cache=True, nogil=True)
def _sides(a, x, y, dx, dy):  # type: ignore[no-untyped-def]
    """Values on both sides of the pixel edge that leaves corner (x, y) in direction (dx, dy)."""
    if dx == 1:
        return _value(a, y - 1, x), _value(a, y, x)
    if dx == -1:
        return _value(a, y - 1, x - 1), _value(a, y, x - 1)
    if dy == 1:
        return _value(a, y, x - 1), _value(a, y, x)
    return _value(a, y - 1, x - 1), _value(a, y - 1, x)


@numba.njit(cache=True, nogil=True)
def _thinned(a, arc, n, limit, keep, least):  # type: ignore[no-untyped-def]
    """Mark in `keep` which of the n vertices of an arc stay; ends always, and at least `least` between them; `limit`: twice the largest triangle."""
    before, after = np.arange(n) - 1, np.arange(n) + 1
    area = np.empty(n, np.int64)
    queue = [(np.int64(0), np.int64(0))]
    queue.pop()
    for k in range(1, n - 1):
        area[k] = _twice_area(arc, k - 1, k, k + 1)
        if area[k] <= limit:
            queue.append((area[k], np.int64(k)))
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
                area[j] = max(
                    _twice_area(arc, before[j], j, after[j]), value
                )  # never smaller than what went before (effective area)
                if area[j] <= limit:
                    heapq.heappush(queue, (area[j], j))


@numba.njit(cache=True, nogil=True)
def _twice_area(arc, i, j, k):  # type: ignore[no-untyped-def]
    return abs((arc[j, 0] - arc[i, 0]) * (arc[k, 1] - arc[i, 1]) - (arc[j, 1] - arc[i, 1]) * (arc[k, 0] - arc[i, 0]))


@numba.njit(cache=True, nogil=True)
def _first_is_less(arc, n):  # type: ignore[no-untyped-def]
    """Whether the arc is to be walked as it stands: from the lesser end, a loop towards the lesser neighbour of its end."""
    i, j = 0, n - 1
    if arc[i, 0] == arc[j, 0] and arc[i, 1] == arc[j, 1]:
        i, j = 1, n - 2
    if arc[i, 1] != arc[j, 1]:
        return arc[i, 1] < arc[j, 1]
    return arc[i, 0] <= arc[j, 0]


@numba.njit(cache=True, nogil=True)
def _simplified_arc(a, arc, n, limit, high, wide):  # type: ignore[no-untyped-def]
    """Which vertices of an arc stay, in the order given."""
    keep = np.ones(n, np.bool_)
    if n <= 2:
        return keep
    x, y, u, v = arc[0, 0], arc[0, 1], arc[1, 0], arc[1, 1]
    if (x == u and (x == 0 or x == wide)) or (y == v and (y == 0 or y == high)):
        return keep  # along the raster's frame
    loop = x == arc[n - 1, 0] and y == arc[n - 1, 1]
    if loop:
        least = 2
    elif _meets_again(a, x, y, arc[n - 1, 0], arc[n - 1, 1], u, v):
        least = 1
    else:
        least = 0
    if _first_is_less(arc, n):
        _thinned(a, arc, n, limit, keep, least)
    else:
        _thinned(a, arc[:n][::-1].copy(), n, limit, keep, least)
        keep = keep[::-1].copy()
    return keep


@numba.njit(cache=True, nogil=True)
def _simplify_rings(a, xy, rings, limit):  # type: ignore[no-untyped-def]
    """All rings simplified: points and ring offsets."""
    high, wide = a.shape
    out, n = np.empty((1 << 12, 2), np.int64), 0
    offsets = np.zeros(rings.shape[0], np.int64)
    room = 1 << 10
    ring, kinds = np.empty((room, 2), np.int64), np.empty(room, np.int8)
    for k in range(rings.shape[0] - 1):
        begin, end = rings[k], rings[k + 1]
        need = 1
        for i in range(begin, end - 1):
            need += abs(xy[i + 1, 0] - xy[i, 0]) + abs(xy[i + 1, 1] - xy[i, 1])
        if need > room:
            room = 2 * need
            ring, kinds = np.empty((room, 2), np.int64), np.empty(room, np.int8)
        m = _noded_ring(a, xy, begin, end, ring, kinds)
        start, nodes = 0, 0
        for i in range(m):
            nodes += kinds[i] == 2
        for i in range(m):  # from the least node, or the least corner where there is none
            if nodes and kinds[i] != 2:
                continue
            if (
                (nodes and kinds[start] != 2)
                or ring[i, 1] < ring[start, 1]
                or (ring[i, 1] == ring[start, 1] and ring[i, 0] < ring[start, 0])
            ):
                start = i
        turned = np.empty((m + 1, 2), np.int64)
        kind = np.empty(m + 1, np.int8)
        for i in range(m + 1):
            turned[i] = ring[(start + i) % m]
            kind[i] = kinds[(start + i) % m]
        kind[0] = kind[m] = 2
        if n + m + 1 > out.shape[0]:
            more = np.empty((2 * (n + m + 1), 2), np.int64)
            more[:n] = out[:n]
            out = more
        i = 0
        while i < m:
            j = i + 1
            while kind[j] != 2:
                j += 1
            arc = turned[i : j + 1]
            keep = _simplified_arc(a, arc, j + 1 - i, limit, high, wide)
            for q in range(j - i):
                if keep[q]:
                    out[n] = arc[q]
                    n += 1
            i = j
        out[n] = turned[0]
        n += 1
        offsets[k + 1] = n
    return out[:n], offsets


def noded(found: Rings, raster: Bytes) -> npt.NDArray[np.object_]:
    """Exact polygons as a valid coverage: with a vertex wherever three regions meet."""
    return simplified(found, raster, 0.0)


def simplified(found: Rings, raster: Bytes, tolerance: float) -> npt.NDArray[np.object_]:
    """Simplified polygons in the order of the regions, in pixel corners; neighbours share every edge, the raster's frame stays.

    Args:
        found: rings of `raster`, all of them or some.
        raster: class values (H, W) that they were traced from.
        tolerance: pixels; its square is the largest triangle that is cut off.
    """
    limit = int(2 * tolerance * tolerance) if tolerance > 0 else -1
    points, offsets = _simplify_rings(np.ascontiguousarray(raster), found.xy, found.rings, limit)
    return np.asarray(
        shapely.from_ragged_array(shapely.GeometryType.POLYGON, points.astype(float), (offsets, found.parts))
    )
