"""Cases of the family linalg, for conformance_cases.py."""
import torch
import torch.nn.functional as F

from conformance_cases import pick

EQUATIONS = {
    "ij,jk->ik": [(3, 4), (4, 2)], "ij,jk": [(2, 1), (1, 3)], "ba": [(3, 2)], "...ij->...ji": [(2, 3, 4)],
    "...ij,...jk->...ik": [(2, 1, 2, 3), (4, 3, 2)], "i...,i...->...": [(3, 2), (3, 2)], "ii": [(4, 4)],
    "ii->i": [(3, 3)], "bii->b": [(2, 3, 3)], "i,j,k->ijk": [(2,), (3,), (2,)], "ijk->": [(2, 3, 2)],
    "ab,bc,cd->ad": [(2, 3), (3, 4), (4, 2)], ",i->i": [(), (3,)], "i,i": [(5,), (5,)], "ij,j": [(0, 3), (3,)],
    "bn,anm,bm->ba": [(2, 3), (4, 3, 5), (2, 5)], "ik,jk->ij": [(2, 0), (3, 0)], "...->...": [(2, 3)],
    "abcde->ecabd": [(2, 1, 3, 2, 2)], "ijkl,jm->imkl": [(2, 3, 1, 2), (3, 2)], "...i->...": [(2, 3)],
    "bqhd,bkhd->bhqk": [(2, 3, 2, 4), (2, 5, 2, 4)], "ijij->ij": [(2, 3, 2, 3)], "i j , j k -> i k": [(2, 3), (3, 2)],
    "iij,jk->ik": [(3, 3, 2), (2, 2)], "b...d,d->b...": [(2, 3, 1, 4), (4,)], "Ab,bA->": [(2, 3), (3, 2)],
}


def linalg(out):
    vectors = [((3,), (3,)), ((0,), (0,)), ((1,), (1, 4)), ((2, 3), (3,)), ((3,), (2, 3, 4)), ((2, 5, 3), (3,)),
               ((3,), (2, 2, 3, 1)), ((2, 2, 1, 3), (3,)), ((0, 3), (3, 2)), ((2, 0), (0, 3)), ((2, 3), (3, 0))]
    batches = [((), ()), ((2,), ()), ((), (2,)), ((2,), (1,)), ((2, 1), (3,)), ((1,), (2, 3)), ((0,), (1,)),
               ((1, 2, 1), (3, 1, 2)), ((2, 1, 2), (2,)), ((2, 2, 1, 1), (1, 2, 2, 1))]
    for a, b in vectors:
        out.add("matmul", {}, torch.matmul, [torch.randn(a), torch.randn(b)])
    for a, b in batches:
        m, n, k = (pick(1, 2, 3, 4, 5, 7) for _ in range(3))
        out.add("matmul", {}, torch.matmul, [torch.randn(a + (m, k)), torch.randn(b + (k, n))])
    for lead in ((), (1,), (4,), (0,), (2, 3), (2, 1, 2, 2)):
        i, o, j = (pick(1, 2, 3, 5) for _ in range(3))
        x, y, w, b = torch.randn(lead + (i,)), torch.randn(lead + (j,)), torch.randn(o, i), torch.randn(o)
        for bias in ([b], [], [None]):
            out.add("linear", {}, F.linear, [x, w] + bias)
            out.add("bilinear", {}, F.bilinear, [x, y, torch.randn(o, i, j)] + bias)
    for m, n in ((1, 1), (0, 3), (5, 2), (4, 0)):
        out.add("outer", {}, torch.outer, [torch.randn(m), torch.randn(n)])
        out.add("trace", {}, torch.trace, [torch.randn(min(m, n), max(m, n))])
    for equation, shapes in EQUATIONS.items():
        out.add("einsum", {"equation": equation}, lambda *xs: torch.einsum(equation, *xs),
                [torch.randn(s) for s in shapes])
    for lead in ((), (1,), (3,), (0,), (2, 2), (1, 2, 1)):
        for n in (1, 2, 3, 4, 6):
            a = torch.randn(lead + (n, n)) + pick(-1, 1) * 2 * n ** 0.5 * torch.eye(n)
            out.add("inverse", {}, torch.inverse, [a])
            out.add("det", {}, torch.det, [a])
            out.add("slogdet", {}, lambda a: torch.slogdet(a)[1], [a])
            for rhs in (lead + (n, 1), lead + (n, 3), (n, 2), (2,) + lead + (n, 2), lead + (n, 0), (n,), lead + (n,)):
                out.add("solve", {}, torch.linalg.solve, [a, torch.randn(rhs)])
            s = a @ a.mT + torch.eye(n)
            out.add("cholesky", {"symmetrize": True}, lambda s: torch.linalg.cholesky((s + s.mT) / 2), [s])


FAMILIES = {"linalg": linalg}
