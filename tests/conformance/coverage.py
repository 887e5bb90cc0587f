def report(x):
    return 0
