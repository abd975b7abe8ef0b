
CPlaceholder
x*
dtype0*$
shape:ÿÿÿÿÿÿÿÿÿ
Foo
ax
Bar
ba

VariableV2
v*
dtype0
Add
ybv"