"""x"""
class Tools:
    def __init__(self, build, tally): pass
def jobs(*a): return []
