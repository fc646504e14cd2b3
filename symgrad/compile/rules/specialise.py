from symgrad.compile.pattern import ruleset

RULES = ruleset("specialise")
