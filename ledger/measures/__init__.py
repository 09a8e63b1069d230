"""What a bank's history comes to in a year: how much help, between whom, how evenly, and what it says of co-production.

spread     shares, medians and inequality, in whole numbers
ties       who met whom: partners, mutual ties, groups, the reach of newcomers
counting   the sums over the help of a year
helping    the log, read once: each act of help in it, and what is left out
yearly     all figures of a year, as of a point of the log
claims     the six characteristics and the four values: claim, measure, figure, what would improve it
warnings   what in a year's figures wants somebody's attention

Help is what people and institutions did for each other. Not help are hours themselves that were given (gift, starting,
opening), goods, what was corrected, and settlements of banks: they are counted apart. So are imported exchanges, for
which nobody here vouched, unless they are asked for. Figures are integers: minutes, numbers, and shares in thousandths.
"""
