"""Network simplex: integer or real levels of a connected graph with the least total weighted edge length.

Gansner, Koutsofios, North, Vo: "A Technique for Drawing Directed Graphs", IEEE TSE 19 (1993), section 2.3.
A spanning tree of tight edges (no slack) fixes all levels. A tree edge with a negative cut value is replaced by
the non-tree edge with the least slack that joins the two halves the other way round.

Cut values are kept as subtree sums: with `surplus(v)` = weight of outgoing minus weight of incoming edges, the
edges inside a subtree cancel, so the sum over a subtree is exactly what leaves it minus what enters it.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heapify, heappop, heappush

# Gansner et al. look at a few negative cut values and take the worst of them: better pivots for little search.
_CANDIDATES = 30
_TOLERANCE = 1e-6


class Simplex:
    """A tight spanning tree over feasible levels; `run` improves `level` in place.

    `level[head] - level[tail] >= length` must hold for every edge at the start, and the graph must be connected.
    """

    def __init__(
        self,
        level: list[int],
        tails: Sequence[int],
        heads: Sequence[int],
        lengths: Sequence[int],
        weights: Sequence[int],
    ) -> None:
        self.level, self.tails, self.heads, self.lengths, self.weights = level, tails, heads, lengths, weights
        count = len(level)
        self.incident: list[list[int]] = [[] for _ in range(count)]
        for edge, (tail, head) in enumerate(zip(tails, heads, strict=True)):
            self.incident[tail].append(edge)
            self.incident[head].append(edge)
        self.tree: list[list[int]] = [[] for _ in range(count)]
        self.in_tree = bytearray(len(tails))
        self.parent = [-1] * count
        self.link = [-1] * count  # the tree edge to the parent
        self.sum = [0] * count  # surplus of the whole subtree
        self.next_candidate = 0

    def run(self, work: int) -> None:
        """Pivot until optimal or until about `work` elementary steps are spent (levels stay feasible either way)."""
        if len(self.level) < 2:
            return
        self._grow_tight_tree()
        self._hang_tree()
        others = [edge for edge, inside in enumerate(self.in_tree) if not inside]
        while others and work > 0:
            child = self._leaving()
            if child < 0:
                return
            work -= self._pivot(child, others)

    def _slack(self, edge: int) -> int:
        return self.level[self.heads[edge]] - self.level[self.tails[edge]] - self.lengths[edge]

    def _other_end(self, edge: int, vertex: int) -> int:
        tail = self.tails[edge]
        return self.heads[edge] if tail == vertex else tail

    # -- feasible tree ------------------------------------------------------------------------------------------

    def _grow_tight_tree(self) -> None:
        """Join tight pieces, always moving the smallest one towards its nearest neighbour."""
        piece, members = self._tight_pieces()
        queue = [(len(vertices), index) for index, vertices in enumerate(members)]
        heapify(queue)
        while len(queue) > 1:
            size, index = heappop(queue)
            if size != len(members[index]):
                continue  # an entry from before this piece grew
            slack, edge = self._nearest(members[index], piece, index)
            outgoing = piece[self.tails[edge]] == index
            shift = slack if outgoing else -slack
            for vertex in members[index]:
                self.level[vertex] += shift
            other = piece[self.heads[edge] if outgoing else self.tails[edge]]
            small, large = (index, other) if size <= len(members[other]) else (other, index)
            for vertex in members[small]:
                piece[vertex] = large
            members[large] += members[small]
            members[small] = []
            self._add_to_tree(edge)
            heappush(queue, (len(members[large]), large))

    def _tight_pieces(self) -> tuple[list[int], list[list[int]]]:
        piece = [-1] * len(self.level)
        members: list[list[int]] = []
        for start in range(len(piece)):
            if piece[start] >= 0:
                continue
            index = len(members)
            piece[start] = index
            found = [start]
            for vertex in found:
                for edge in self.incident[vertex]:
                    other = self._other_end(edge, vertex)
                    if piece[other] < 0 and self._slack(edge) <= _TOLERANCE:
                        piece[other] = index
                        found.append(other)
                        self._add_to_tree(edge)
            members.append(found)
        return piece, members

    def _nearest(self, vertices: list[int], piece: list[int], index: int) -> tuple[int, int]:
        best, choice = -1, -1
        for vertex in vertices:
            for edge in self.incident[vertex]:
                if piece[self._other_end(edge, vertex)] != index:
                    slack = self._slack(edge)
                    if choice < 0 or slack < best:
                        best, choice = slack, edge
        return best, choice

    def _add_to_tree(self, edge: int) -> None:
        self.in_tree[edge] = 1
        self.tree[self.tails[edge]].append(edge)
        self.tree[self.heads[edge]].append(edge)

    def _hang_tree(self) -> None:
        """Root the tree at vertex 0 and sum the surplus of every subtree."""
        for edge, weight in enumerate(self.weights):
            self.sum[self.tails[edge]] += weight
            self.sum[self.heads[edge]] -= weight
        found = [0]
        for vertex in found:
            for edge in self.tree[vertex]:
                if edge != self.link[vertex]:
                    other = self._other_end(edge, vertex)
                    self.parent[other], self.link[other] = vertex, edge
                    found.append(other)
        for vertex in reversed(found[1:]):
            self.sum[self.parent[vertex]] += self.sum[vertex]

    # -- pivoting -----------------------------------------------------------------------------------------------

    def _cut_value(self, child: int) -> int:
        return self.sum[child] if self.tails[self.link[child]] == child else -self.sum[child]

    def _leaving(self) -> int:
        """The lower end of a tree edge with a negative cut value, searched round robin; -1 when there is none."""
        count, found = len(self.level), 0
        choice, worst = -1, 0
        for step in range(count):
            vertex = (self.next_candidate + step) % count
            if self.link[vertex] < 0:
                continue
            value = self._cut_value(vertex)
            if value < 0:
                found += 1
                if value < worst:
                    choice, worst = vertex, value
                if found == _CANDIDATES:
                    break
        self.next_candidate = (self.next_candidate + step + 1) % count
        return choice

    def _pivot(self, child: int, others: list[int]) -> int:
        """Swap the tree edge above `child` for the best non-tree edge. Returns the steps spent."""
        leaving = self.link[child]
        below, inside = self._subtree(child)
        from_below = self.tails[leaving] == child
        slack, index = -1, -1
        for position, edge in enumerate(others):
            tail_in, head_in = inside[self.tails[edge]], inside[self.heads[edge]]
            if tail_in != head_in and head_in == from_below:
                gap = self._slack(edge)
                if index < 0 or gap < slack:
                    slack, index = gap, position
        if index < 0:  # only when the weights leave the problem unbounded
            self.sum[child] = 0
            return len(others)
        entering = others[index]
        if slack:
            shift = -slack if from_below else slack
            for vertex in below:
                self.level[vertex] += shift
        others[index] = leaving
        return len(below) + len(others) + self._rehang(child, entering, inside)

    def _subtree(self, top: int) -> tuple[list[int], bytearray]:
        inside = bytearray(len(self.level))
        inside[top] = 1
        found = [top]
        for vertex in found:
            for edge in self.tree[vertex]:
                if edge != self.link[vertex]:
                    other = self._other_end(edge, vertex)
                    inside[other] = 1
                    found.append(other)
        return found, inside

    def _rehang(self, child: int, entering: int, inside: bytearray) -> int:
        """Hang the subtree of `child` by the entering edge: parents on the path turn round, sums follow."""
        leaving, total = self.link[child], self.sum[child]
        self.in_tree[leaving] = 0
        self.tree[self.tails[leaving]].remove(leaving)
        self.tree[self.heads[leaving]].remove(leaving)
        steps = self._add_to_ancestors(self.parent[child], -total)
        self._add_to_tree(entering)
        top = self.tails[entering] if inside[self.tails[entering]] else self.heads[entering]
        above, link, rest = self._other_end(entering, top), entering, 0
        steps += self._add_to_ancestors(above, total)
        vertex = top
        while True:
            next_vertex, next_link, old_sum = self.parent[vertex], self.link[vertex], self.sum[vertex]
            self.parent[vertex], self.link[vertex], self.sum[vertex] = above, link, total - rest
            steps += 1
            if vertex == child:
                return steps
            rest = old_sum
            above, link, vertex = vertex, next_link, next_vertex

    def _add_to_ancestors(self, vertex: int, amount: int) -> int:
        steps = 0
        while vertex >= 0:
            self.sum[vertex] += amount
            vertex = self.parent[vertex]
            steps += 1
        return steps
