#!/usr/bin/python3
"""Puts the rounds of bench and bench_torch.py beside each other: medians and ratios.

    compare.py OURS... -- THEIRS...     files of JSON lines, one pair a round
"""
import json
import statistics
import sys


def gather(paths, key):
    """name -> the figures of all rounds, in the order of the first file."""
    figures = {}
    for path in paths:
        with open(path, encoding="utf-8") as lines:
            for row in map(json.loads, lines):
                if key in row:
                    figures.setdefault(row["name"], []).append(row[key])
    return figures


def main():
    split = sys.argv.index("--")
    ours, theirs = sys.argv[1:split], sys.argv[split + 1 :]
    step, floor, torch = gather(ours, "us"), gather(ours, "floor_us"), gather(theirs, "us")
    print(f"{'median over ' + str(len(ours)) + ' rounds':38} {'us':>11} {'floor us':>11} {'us/floor':>9}", end="")
    print(f" {'PyTorch us':>11} {'PyTorch/us':>11} {'(worst, best round)':>21}" if theirs else "")
    for name in step:
        us, bare = statistics.median(step[name]), statistics.median(floor[name])
        print(f"{name:38} {us:11.2f} {bare:11.2f} {us / bare:9.2f}", end="")
        if name in torch:
            ratios = [t / o for o, t in zip(step[name], torch[name])]
            print(f" {statistics.median(torch[name]):11.2f} {statistics.median(ratios):11.2f}", end="")
            print(f" {min(ratios):12.2f} {max(ratios):8.2f}", end="")
        print()


main()
