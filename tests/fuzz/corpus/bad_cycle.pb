
CPlaceholder
x*
dtype0*$
shape:ÿÿÿÿÿÿÿÿÿ
Add
axc
Relu
ba
Relu
cb
Relu
dc"