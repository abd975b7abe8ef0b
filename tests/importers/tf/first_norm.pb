
C
xPlaceholder*
dtype0*$
shape:ÿÿÿÿÿÿÿÿÿ
z
norm BatchNormWithGlobalNormalizationxmvbetagamma*
scale_after_normalization(*
variance_epsilon%oƒ:
F
mConst*
dtype0*-
value$B""*¸Ü¾©Q>¾	;¿z+}¾Iu˜½4ƒ>
F
vConst*
dtype0*-
value$B"".°F?A›
?&
>uÁŽ>)J9?ÈH?
I
betaConst*
dtype0*-
value$B""Ãèg¿µèe?Ú|.¿s<¿"ó‰¾‡VÀ½
J
gammaConst*
dtype0*-
value$B""þÝp?}c^?T‰O?1(?ÈKs?¦ïs?"ª