"""Which conformance statements the transcripts prove, and which stand unproven.

The statements are listed in clauses-5.txt and clauses-3.1.1.txt. A transcript names those of 5.0
after "proves:" and those of 3.1.1 after "proves-3:"; the numbers of the two versions differ.
"""

import os

HERE = os.path.dirname(os.path.abspath(__file__))
LISTS = (("5.0", "clauses-5.txt", "proves", ("5",)),
         ("3.1.1", "clauses-3.1.1.txt", "proves-3", ("3.1", "3.1.1")))


def read_list(name):
    """Statement -> "" when it must be proven, else why it cannot be."""
    clauses = {}
    with open(os.path.join(HERE, name), encoding="utf-8") as source:
        for line in source:
            if line.strip() and not line.startswith("#"):
                clause, _, note = line.strip().partition("  ")
                clauses[clause] = note
    return clauses


def report(transcripts):
    """Print what is proven; the number of mistakes (unproven or unknown statements)."""
    mistakes = 0
    for title, name, header, versions in LISTS:
        clauses = read_list(name)
        proven = {}
        for one in transcripts:
            if one.version in versions:
                for clause in one.header.get(header, "").replace(",", " ").split():
                    proven.setdefault(clause, set()).add(one.name)
        owed = [c for c, note in clauses.items() if not note]
        missing = [c for c in owed if c not in proven]
        unknown = sorted(set(proven) - set(clauses))
        beyond = [c for c, note in clauses.items() if note and c not in proven]
        print(f"MQTT {title}: {len(owed) - len(missing)} of {len(owed)} statements that bind a "
              f"server are proven; {len(beyond)} others cannot be seen")
        for clause in missing:
            print(f"  not proven: {clause}")
        for clause in unknown:
            print(f"  no such statement: {clause} in {', '.join(sorted(proven[clause]))}")
        mistakes += len(missing) + len(unknown)
    return 1 if mistakes else 0
